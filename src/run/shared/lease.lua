-- Who polls a run, and what that one told last.
-- KEYS   1 the lease: the poller's token      2 what was told last
-- ARGV   1 own token                          2 ms that the lease is to last, 0 to leave it
--        3 channel                            4 what is to be told, empty for nothing
--        5 ms that what was told last is kept, 0 for not at all
-- Answer {1, 0, told last if the lease was not ours before}    {0, ms that the lease still lasts, told last}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return { 0, redis.call('PTTL', KEYS[1]), redis.call('GET', KEYS[2]) }
end
local told = not holder and redis.call('GET', KEYS[2])
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
if ARGV[5] == '0' then
  redis.call('DEL', KEYS[2])
elseif ARGV[4] ~= '' then
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
else
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
if ARGV[4] ~= '' then
  -- Without the permission to publish, the others find out when they ask for the lease.
  redis.pcall('PUBLISH', ARGV[3], ARGV[4])
end
return { 1, 0, told }
