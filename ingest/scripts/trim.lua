-- KEYS: meta, stream. ARGV: epoch, owner, first id to keep.
-- Drops entries that are in stored trees.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
