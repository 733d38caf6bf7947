-- KEYS: meta, closed. ARGV: epoch, owner, score, fields.
-- Says of sessions that take no relay what has become of their relays. What was
-- forgotten stays so. The removal comes first: see acquire.lua.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
redis.call('HDEL', KEYS[1], '')
for i = 4, #ARGV do
  if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or '0') <= 0 then
    redis.call('ZADD', KEYS[2], ARGV[3], ARGV[i])
  end
end
return 'OK'
