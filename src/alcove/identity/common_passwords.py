"""The passwords that are tried first, of 8 characters and more, in lower case; shorter ones are refused by their length."""

COMMON_PASSWORDS = frozenset(
    """
    12345678 123456789 1234567890 12345678910 0123456789 0987654321 987654321 87654321 11223344 12341234 123123123
    123321123 12344321 11111111 00000000 99999999 88888888 77777777 66666666 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc
    1qazxsw2 q1w2e3r4 q1w2e3r4t5 qwer1234 qwert123 qwerty12 qwerty123 qwerty1234 qwertyui qwertyuiop qwerty123456
    asdfghjk asdfghjkl asdf1234 asdfasdf zxcvbnm1 zxcvbnm123 zaq12wsx zaq1zaq1 abcd1234 abcdefgh abc12345 abc123456
    a1b2c3d4 a1234567 a12345678 a123456789 aa123456 aa12345678 password password1 password12 password123 password1234
    password12345 password123456 password! password1! passw0rd p@ssw0rd p@ssword p@ssw0rd1 p@$$w0rd pa$$w0rd pa55word
    passpass passwort passwort1 motdepasse contrasena letmein1 letmein123 letmeinnow welcome1 welcome12 welcome123
    welcome1! welcome2 iloveyou iloveyou1 iloveyou2 iloveyou! ilovegod sunshine sunshine1 princess princess1 football
    football1 baseball baseball1 basketball superman superman1 batman123 spiderman starwars startrek pokemon1 pokemon123
    dragon123 monkey123 master123 shadow123 michael1 jennifer jessica1 michelle charlie1 jordan23 liverpool liverpool1
    chelsea1 arsenal1 manchester barcelona juventus whatever whatever1 trustno1 computer computer1 internet internet1
    samsung1 google123 facebook facebook1 linkedin dropbox1 myspace1 changeme changeme1 changeme123 changeme! change_me
    change-me changeit1 changethis default1 default123 defaultpassword admin123 admin1234 admin12345 admin123456
    adminadmin administrator admin@123 admin123! adminpassword root1234 rootroot toor1234 test1234 test12345 testtest
    testing1 testing123 test@123 guest123 user1234 username temp1234 temporary temppass secret12 secret123 secret1234
    supersecret topsecret mypassword mypassword1 yourpassword newpassword nopassword hello123 hello1234 helloworld
    helloworld1 hellohello mustang1 corvette mercedes porsche1 ferrari1 yamaha123 harley123 november december september
    summer2020 summer2021 summer2022 summer2023 summer2024 summer2025 summer2026 winter2020 winter2021 winter2022
    winter2023 winter2024 winter2025 winter2026 spring2024 spring2025 spring2026 autumn2024 autumn2025 autumn2026
    company1 company123 business office365 microsoft windows1 windows10 ubuntu123 raspberry raspberrypi openwebui
    alcove123 alcovealcove placeholder example1 example123 examplepassword qazwsxedc qazwsx123 1234qwer 123qweasd
    123qwe123 123456qwerty 123456abc 123abc123 11112222 12121212 13131313 11235813 31415926 147258369 159357456 741852963
    789456123 789456123a abcabc123 aaaaaaaa1 access14 blink182 bigdaddy butterfly chocolate cocacola cupcakes
    danielle dinosaur elephant einstein fuckyou1 fuckyou2 gangster hollywood jonathan lovelove loveyou1 midnight
    nicholas nothing1 peaches1 password0 playboy1 pussycat qweasdzxc rockstar rush2112 scorpion security slipknot
    snowball softball steelers stephanie swordfish thunder1 tinkerbell veronica victoria volleyball william1
    """.split()  # noqa: SIM905  a list of this length is easier to read as text
)
