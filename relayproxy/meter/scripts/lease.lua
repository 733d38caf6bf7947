-- KEYS: meter. ARGV: relayer, number, held, used, budget, wanted, application,
-- milliseconds to live.
-- Notes what a relayer holds, and lends it more. A relayer says what it holds in
-- all, not what changed: saying it twice changes nothing, and a Redis that forgot
-- is told again. A call that was overtaken by a later one is refused.
-- Answers what was lent and what is left.
local mine = redis.call('HGET', KEYS[1], ARGV[1])
if mine and tonumber(string.match(mine, '^%d+')) >= tonumber(ARGV[2]) then
  return redis.error_reply('STALE call of relayer ' .. ARGV[1])
end
local wanted = tonumber(ARGV[6])
if wanted == 0 and redis.call('EXISTS', KEYS[1]) == 0 then
  return {0, 0}
end
local held = tonumber(ARGV[3])
local left = tonumber(ARGV[5]) - held
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local theirs = string.match(all[i + 1], '^%d+/(%d+)/')
  if theirs and all[i] ~= ARGV[1] then
    left = left - tonumber(theirs)
  end
end
-- A sixteenth of what is left: the last relays are not kept by one relayer while
-- another refuses.
local lent = math.max(0, math.min(wanted, left, math.max(1, math.floor(left / 16))))
redis.call('HSET', KEYS[1], 'budget', ARGV[5], 'application', ARGV[7],
  ARGV[1], string.format('%s/%.0f/%s', ARGV[2], held + lent, ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return {lent, math.max(0, left - lent)}
