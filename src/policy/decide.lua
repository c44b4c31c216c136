-- One decision for one user: rate, runs of the day, runs at the same time. All or nothing.
-- KEYS   1 rate: theoretical arrival time in µs    2 runs: id scored with its first ms    3 leases: id scored with its last ms
-- ARGV   1 now in µs, 0 for the server's time      2 rate: max, 0 for none                3 rate: µs to refill one
--        4 run id, empty for none                  5 runs per day, -1 for no limit        6 slots, -1 for no limit
--        7 lease in ms
-- Answer {0 admitted, now ms, remaining, 1 if a replay}   {1 rate, now ms, µs to wait}
--        {2 day, now ms}                                  {3 slots, now ms, ms to wait}
local DAY = 86400000
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local ms = math.floor(now / 1000)
local today = ms - ms % DAY
local max, refill = tonumber(ARGV[2]), tonumber(ARGV[3])
local run, per_day, slots, lease = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local replay = false

if run ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ms)
  local first = redis.call('ZSCORE', KEYS[2], run)
  replay = (first and tonumber(first) >= today - DAY) or redis.call('ZSCORE', KEYS[3], run) ~= false
  if not replay then
    if per_day >= 0 and redis.call('ZCOUNT', KEYS[2], today, '+inf') >= per_day then
      return { 2, ms }
    end
    if slots >= 0 and redis.call('ZCARD', KEYS[3]) >= slots then
      return { 3, ms, tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]) - ms }
    end
  end
end

local remaining = 0
if max > 0 then
  local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
  -- A user who moved to a plan with a shorter window does not wait out the longer one.
  arrival = math.min(arrival, now + max * refill)
  local wait = arrival - (max - 1) * refill - now
  if wait > 0 then
    return { 1, ms, wait }
  end
  arrival = arrival + refill
  local full = arrival - now
  remaining = math.floor((max * refill - full) / refill)
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil(full / 1000))
end

if run ~= '' and not replay then
  if per_day >= 0 then
    redis.call('ZADD', KEYS[2], ms, run)
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. string.format('%.0f', today - DAY))
    redis.call('PEXPIRE', KEYS[2], 2 * DAY)
  end
  if slots >= 0 then
    redis.call('ZADD', KEYS[3], ms + lease, run)
    redis.call('PEXPIRE', KEYS[3], tonumber(redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]) - ms)
  end
end
return { 0, ms, remaining, replay and 1 or 0 }
