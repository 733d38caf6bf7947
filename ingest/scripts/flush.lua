-- KEYS: meta, heads, then the nodes hash of each session.
-- ARGV: epoch, owner, expected cursor, new cursor, last stage ('' for none),
-- then per session: field, expected seq, new head, number of deletes, number of
-- sets, digests to delete, digest and node pairs to set.
-- All or nothing: every check comes before the first write, and the first write
-- is one that Redis refuses when it is out of memory.
local function chunks(command, key, from, to)
  for first = from, to, 2000 do
    redis.call(command, key, unpack(ARGV, first, math.min(first + 1999, to)))
  end
end

if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
if (redis.call('HGET', KEYS[1], 'cursor') or '0-0') ~= ARGV[3] then
  return redis.error_reply('STALE cursor')
end
if ARGV[5] ~= '' and redis.call('HGET', KEYS[1], 'staged') ~= ARGV[5] then
  return redis.error_reply('STALE staging')
end
local sessions, at = {}, 6
for k = 3, #KEYS do
  local deletes, sets = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local head = redis.call('HGET', KEYS[2], ARGV[at]) or '0;0;'
  local seq, sealed = string.match(head, '^(%d+);(%d);')
  if seq ~= ARGV[at + 1] or sealed ~= '0' then
    return redis.error_reply('STALE head of ' .. ARGV[at])
  end
  sessions[#sessions + 1] = { key = KEYS[k], at = at, deletes = deletes, sets = sets }
  at = at + 5 + deletes + 2 * sets
end

redis.call('HSET', KEYS[1], 'mark', ARGV[4])
for _, s in ipairs(sessions) do
  local first = s.at + 5
  -- Deletes come first: a duplicate relay orphans a leaf and sets it again.
  chunks('HDEL', s.key, first, first + s.deletes - 1)
  chunks('HSET', s.key, first + s.deletes, first + s.deletes + 2 * s.sets - 1)
  redis.call('HSET', KEYS[2], ARGV[s.at], ARGV[s.at + 2])
end
redis.call('HSET', KEYS[1], 'cursor', ARGV[4])
return 'OK'
