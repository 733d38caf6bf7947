-- KEYS: meta, closed, stream. ARGV: epoch, owner, field.
-- From here on no relay of the session enters the stream. Answers the id of the
-- last entry that may hold one. HDEL first: see acquire.lua.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
redis.call('HDEL', KEYS[1], '')
redis.call('ZADD', KEYS[2], 'NX', '0', ARGV[3])
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', '1')
if #last == 0 then
  return '0-0'
end
return last[1][1]
