/** Requests to this very server, ready to run. */
type Example = { origin: string; secret: string; model: string };

export function curlExample({ origin, secret, model }: Example): string {
  return `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${secret}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`;
}

export function pythonExample({ origin, secret, model }: Example): string {
  // A name of the shell is read from the environment; Python would take it for the key itself.
  const isVariable = secret.startsWith("$");
  const key = isVariable ? `os.environ["${secret.slice(1)}"]` : `"${secret}"`;
  return `${isVariable ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=${key})
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`;
}
