"""What the Valkey server does in one step. Times are its own, so that servers whose clocks differ count alike.

Each allowance has five keys, in this order: requests and tokens of the last minute (hashes: number of the bucket → amount), calls
under way (a sorted set: lease → when it ends), the budget of the period (a hash: `u`/`t` spent nano-dollars and tokens, `hu`/`ht`
those held), and what calls hold of it (a sorted set: `lease|nano|tokens` → when that ends). Leases that have ended are let go
at the next look, so what a server held that was killed comes back.
"""

_COMMON = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)

local function rolled(key, bucket, buckets)
  local all = redis.call('HGETALL', key)
  local sum, last, live = 0, -1, {}
  for i = 1, #all, 2 do
    local number = tonumber(all[i])
    if number < bucket - buckets then
      redis.call('HDEL', key, all[i])
    else
      local amount = tonumber(all[i + 1])
      sum = sum + amount
      if number > last then last = number end
      live[#live + 1] = {number, amount}
    end
  end
  return sum, last, live
end

local function free_at(live, total, limit)
  table.sort(live, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(live) do
    total = total - each[2]
    if total < limit then return each[1] end
  end
  return #live > 0 and live[#live][1] or 0
end

local function let_go(budget, leases)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    local nano, tokens = string.match(member, '^[^|]*|(%d+)|(%d+)$')
    redis.call('HINCRBY', budget, 'hu', 0 - tonumber(nano))
    redis.call('HINCRBY', budget, 'ht', 0 - tonumber(tokens))
    redis.call('ZREM', leases, member)
  end
end
"""

RESERVE = (
    _COMMON
    + """
local lease, tokens, nano = ARGV[1], ARGV[2], ARGV[3]
local window, buckets, lease_ms, is_look = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local width = window / buckets
local bucket = math.floor(now / width)
local seen = {}
local FIELDS, FIRST = 6, 8
local count = #KEYS / 5

local function leaves_in(number)
  return math.max(0, math.ceil((number + buckets + 1) * width - now))
end

for i = 1, count do
  local k, a = (i - 1) * 5, FIRST + (i - 1) * FIELDS
  local rpm, tpm, parallel = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local most_nano, most_tokens = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local row = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
  if rpm >= 0 then
    local sum, last, live = rolled(KEYS[k + 1], bucket, buckets)
    row[1], row[2] = sum, last < 0 and 0 or leaves_in(last)
    if sum >= rpm then row[10] = leaves_in(free_at(live, sum, rpm)) end
    if sum >= rpm and not is_look then return {'full', i, 'requests_per_minute', row} end
  end
  if tpm >= 0 then
    local sum, last, live = rolled(KEYS[k + 2], bucket, buckets)
    row[3], row[4] = sum, last < 0 and 0 or leaves_in(last)
    if sum >= tpm then row[11] = leaves_in(free_at(live, sum, tpm)) end
    if sum >= tpm and not is_look then return {'full', i, 'tokens_per_minute', row} end
  end
  if parallel >= 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[k + 3], '-inf', now)
    row[5] = redis.call('ZCARD', KEYS[k + 3])
    if row[5] >= parallel and not is_look then return {'full', i, 'max_parallel', row} end
  end
  if most_nano >= 0 or most_tokens >= 0 then
    local spent = redis.call('HMGET', KEYS[k + 4], 'u', 't')
    if not spent[1] then return {'unknown', i} end
    let_go(KEYS[k + 4], KEYS[k + 5])
    local held = redis.call('HMGET', KEYS[k + 4], 'hu', 'ht')
    row[6], row[7] = tonumber(spent[1]), tonumber(spent[2])
    row[8], row[9] = tonumber(held[1] or 0), tonumber(held[2] or 0)
    if not is_look then
      if most_nano >= 0 and row[6] + row[8] >= most_nano then return {'full', i, 'budget_usd', row} end
      if most_tokens >= 0 and row[7] + row[9] >= most_tokens then return {'full', i, 'budget_tokens', row} end
    end
  end
  seen[i] = row
end

if is_look then return {'seen', bucket, seen} end

local ends = now + lease_ms
for i = 1, count do
  local k, a = (i - 1) * 5, FIRST + (i - 1) * FIELDS
  local row = seen[i]
  if tonumber(ARGV[a]) >= 0 then
    redis.call('HINCRBY', KEYS[k + 1], bucket, 1)
    redis.call('PEXPIRE', KEYS[k + 1], window * 2)
    row[1], row[2] = row[1] + 1, leaves_in(bucket)
  end
  if tonumber(ARGV[a + 1]) >= 0 then
    redis.call('HINCRBY', KEYS[k + 2], bucket, tokens)
    redis.call('PEXPIRE', KEYS[k + 2], window * 2)
    row[3], row[4] = row[3] + tonumber(tokens), leaves_in(bucket)
  end
  if tonumber(ARGV[a + 2]) >= 0 then
    redis.call('ZADD', KEYS[k + 3], ends, lease)
    redis.call('PEXPIRE', KEYS[k + 3], lease_ms * 4)
    row[5] = row[5] + 1
  end
  if tonumber(ARGV[a + 3]) >= 0 or tonumber(ARGV[a + 4]) >= 0 then
    redis.call('HINCRBY', KEYS[k + 4], 'hu', nano)
    redis.call('HINCRBY', KEYS[k + 4], 'ht', tokens)
    redis.call('ZADD', KEYS[k + 5], ends, lease .. '|' .. nano .. '|' .. tokens)
    redis.call('PEXPIREAT', KEYS[k + 4], ARGV[a + 5])
    redis.call('PEXPIREAT', KEYS[k + 5], ARGV[a + 5])
    row[8], row[9] = row[8] + tonumber(nano), row[9] + tonumber(tokens)
  end
end
return {'held', bucket, seen}
"""
)
"""Looks at every limit, and takes a call's part of all of them, or of none."""

BEGIN = """
if redis.call('HSETNX', KEYS[1], 'u', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 't', ARGV[2])
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
"""
"""Begins a budget with what was spent before, unless another server was quicker."""

SETTLE = (
    _COMMON
    + """
local lease, bucket, held_nano, held_tokens, nano, tokens, is_whole = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
if is_whole and not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[8]) then return 0 end
for k = 1, #KEYS - 1, 5 do
  redis.call('ZREM', KEYS[k + 3], lease)
  if is_whole and redis.call('HEXISTS', KEYS[k + 2], bucket) == 1 then
    redis.call('HINCRBY', KEYS[k + 2], bucket, tonumber(tokens) - tonumber(held_tokens))
  end
  if redis.call('ZREM', KEYS[k + 5], lease .. '|' .. held_nano .. '|' .. held_tokens) == 1 then
    redis.call('HINCRBY', KEYS[k + 4], 'hu', 0 - tonumber(held_nano))
    redis.call('HINCRBY', KEYS[k + 4], 'ht', 0 - tonumber(held_tokens))
  end
  if is_whole and redis.call('HEXISTS', KEYS[k + 4], 'u') == 1 then
    redis.call('HINCRBY', KEYS[k + 4], 'u', nano)
    redis.call('HINCRBY', KEYS[k + 4], 't', tokens)
  end
end
return 1
"""
)
"""Counts what a call came to in place of what it held; once, however often it is sent. Not whole: only lets go."""

RENEW = (
    _COMMON
    + """
local ends = now + tonumber(ARGV[2])
for k = 0, #KEYS - 1, 5 do
  redis.call('ZADD', KEYS[k + 3], 'XX', ends, ARGV[1])
  redis.call('ZADD', KEYS[k + 5], 'XX', ends, ARGV[1] .. '|' .. ARGV[3] .. '|' .. ARGV[4])
  redis.call('PEXPIRE', KEYS[k + 3], ARGV[2] * 4)
end
return 1
"""
)
"""Keeps the leases of a call that still runs."""
