-- KEYS: closed, stream. ARGV: '1' for relays that Redis had and lost, else '';
-- then session, compute units, relay; repeated. The compute units name the one
-- field of an entry, which is the relay: it says itself whose it is.
-- Answers one item a relay: its stream id, or '' when its session is closed. One
-- that was lost is taken in a closed session whose relays are asked for again.
-- Every reader sees the closing either before a relay's entry or after it, so a
-- relay that got an id is in the part of the stream that the sealer drains.
local answers = {}
for i = 2, #ARGV, 3 do
  local mark = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if mark and not (ARGV[1] == '1' and tonumber(mark) < -1) then
    answers[#answers + 1] = ''
  else
    answers[#answers + 1] = redis.call('XADD', KEYS[2], '*', ARGV[i + 1], ARGV[i + 2])
  end
end
return answers
