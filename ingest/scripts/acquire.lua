-- KEYS: meta, heads, closed. ARGV: epoch, owner, partitions.
-- Raises the fence and answers what is stored: cursor, heads, closed sessions.
-- Epochs are zero padded, so they compare as strings. The first write is one
-- that a full Redis takes, and so are the others then: a takeover must be
-- possible at maxmemory.
local epoch, owner = redis.call('HGET', KEYS[1], 'epoch'), redis.call('HGET', KEYS[1], 'owner')
if epoch and (epoch > ARGV[1] or (epoch == ARGV[1] and owner ~= ARGV[2])) then
  return redis.error_reply('FENCED by ' .. epoch .. ' ' .. owner)
end
local partitions = redis.call('HGET', KEYS[1], 'partitions')
if partitions and partitions ~= ARGV[3] then
  return redis.error_reply('PARTITIONS ' .. partitions)
end
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'owner', ARGV[2], 'partitions', ARGV[3])
return {
  redis.call('HGET', KEYS[1], 'cursor') or '0-0',
  redis.call('HGETALL', KEYS[2]),
  redis.call('ZRANGE', KEYS[3], '0', '-1', 'WITHSCORES'),
}
