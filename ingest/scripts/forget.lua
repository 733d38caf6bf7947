-- KEYS: meta, heads, closed, nodes, meter, tally, doubted. ARGV: epoch, owner, field, now, cutoff.
-- Removes a session. Its closing mark stays until cutoff has passed it, so that
-- a relayer that is far behind is still refused. The removal comes first: it
-- must work in a full Redis, see acquire.lua.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[7], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '(0', ARGV[5])
return 'OK'
