-- KEYS: closed, stream. ARGV: '1' for relays that Redis had and lost, else '';
-- then supplier, session, compute units, relay; repeated.
-- Answers one item a relay: its stream id, or '' when its session is closed. One
-- that was lost is taken in a closed session whose relays are asked for again.
-- Every reader sees the closing either before a relay's entry or after it, so a
-- relay that got an id is in the part of the stream that the sealer drains.
local answers = {}
for i = 2, #ARGV, 4 do
  local mark = redis.call('ZSCORE', KEYS[1], ARGV[i] .. '/' .. ARGV[i + 1])
  if mark and not (ARGV[1] == '1' and tonumber(mark) < -1) then
    answers[#answers + 1] = ''
  else
    answers[#answers + 1] = redis.call('XADD', KEYS[2], '*',
      'u', ARGV[i], 's', ARGV[i + 1], 'w', ARGV[i + 2], 'r', ARGV[i + 3])
  end
end
return answers
