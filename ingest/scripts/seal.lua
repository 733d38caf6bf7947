-- KEYS: meta, heads. ARGV: epoch, owner, field, expected head, sealed head.
-- Makes the head final. Sealing again with the same head is accepted. HDEL
-- first: see acquire.lua.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
local head = redis.call('HGET', KEYS[2], ARGV[3])
if head == ARGV[5] then
  return 'OK'
end
if head ~= ARGV[4] then
  return redis.error_reply('STALE head of ' .. ARGV[3])
end
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[2], ARGV[3], ARGV[5])
return 'OK'
