-- KEYS: meta, then nodes hashes.
-- ARGV: epoch, owner, expected cursor, staging, number, then per nodes hash:
-- number of sets, digest and node pairs.
-- Writes new nodes of a flush that is too large for one script. They change no
-- tree: no stored root leads to them before the flush itself, which checks that
-- every stage before it happened. Named by their digests, they overwrite nothing.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
  return redis.error_reply('FENCED by ' .. (redis.call('HGET', KEYS[1], 'epoch') or 'nobody'))
end
if (redis.call('HGET', KEYS[1], 'cursor') or '0-0') ~= ARGV[3] then
  return redis.error_reply('STALE cursor')
end
local number = tonumber(ARGV[5])
if number > 1 and redis.call('HGET', KEYS[1], 'staged') ~= ARGV[4] .. '/' .. (number - 1) then
  return redis.error_reply('STALE staging')
end

redis.call('HSET', KEYS[1], 'staged', ARGV[4] .. '/' .. number)
local at = 6
for k = 2, #KEYS do
  local last = at + 2 * tonumber(ARGV[at])
  for first = at + 1, last, 2000 do
    redis.call('HSET', KEYS[k], unpack(ARGV, first, math.min(first + 1999, last)))
  end
  at = last + 1
end
return 'OK'
