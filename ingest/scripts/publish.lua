-- KEYS: closed, stream. ARGV: supplier, session, compute units, relay; repeated.
-- Answers one item a relay: its stream id, or '' when its session is closed.
-- Every reader sees the closing either before a relay's entry or after it, so a
-- relay that got an id is in the part of the stream that the sealer drains.
local answers = {}
for i = 1, #ARGV, 4 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i] .. '/' .. ARGV[i + 1]) then
    answers[#answers + 1] = ''
  else
    answers[#answers + 1] = redis.call('XADD', KEYS[2], '*',
      'u', ARGV[i], 's', ARGV[i + 1], 'w', ARGV[i + 2], 'r', ARGV[i + 3])
  end
end
return answers
