-- KEYS: meta, heads, closed, stream. ARGV: epoch, owner, field, expected seq.
-- From here on no relay of the session enters the stream, unless its head went
-- back: then relays of it may come again. Answers the id of the last entry that may
-- hold one. HDEL first: see acquire.lua.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
local head = redis.call('HGET', KEYS[2], ARGV[3]) or '0;'
if string.match(head, '^(%d+);') ~= ARGV[4] then
  return redis.error_reply('STALE head of ' .. ARGV[3])
end
redis.call('HDEL', KEYS[1], '')
redis.call('ZADD', KEYS[3], 'NX', '0', ARGV[3])
local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', '1')
if #last == 0 then
  return '0-0'
end
return last[1][1]
