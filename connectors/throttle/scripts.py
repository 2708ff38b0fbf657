"""The throttle's two atomic steps, admit and report, in Lua for Redis or Valkey; times are the server's, in µs.

KEYS: the window (sorted set: one member per request, scored by the moment from which it counts as old) and the
state (hash). A request is scored ahead of time, by the end of its lease, until its answer came: the provider may
count it at any moment between, so its slot is free again one window after the answer, not after the start.
"""

# Where the server's clock has stepped back since, all that was stored by it moves with it: a pause of a second must not
# last for hours. A step of less than a second may as well be the work of two servers of one service.
NOW = """
local function text(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local behind = (tonumber(redis.call('HGET', KEYS[2], 'seen_at')) or 0) - now
if behind > 1000000 then
  for _, name in ipairs({'open_until', 'probe_until', 'paused_until', 'reset_at'}) do
    local stored = tonumber(redis.call('HGET', KEYS[2], name))
    if stored then redis.call('HSET', KEYS[2], name, text(stored - behind)) end
  end
  local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for place = 1, #entries, 2 do
    redis.call('ZADD', KEYS[1], text(tonumber(entries[place + 1]) - behind), entries[place])
  end
end
redis.call('HSET', KEYS[2], 'seen_at', text(now))
redis.call('PEXPIRE', KEYS[2], 86400000)
"""

ADMIT = (
    NOW
    + """
local limit, reserve, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local priority, member, lease = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local for_switch = tonumber(ARGV[7])

local s = redis.call('HMGET', KEYS[2], 'open_until', 'probe_until', 'paused_until', 'remaining', 'reset_at')
local open_until, probe_until, paused_until = tonumber(s[1]), tonumber(s[2]) or 0, tonumber(s[3]) or 0
local remaining, reset_at = tonumber(s[4]) or 0, tonumber(s[5]) or 0
if open_until and priority == 0 then
  if now < open_until then return {'open', text(open_until - now)} end
  if now < probe_until then return {'open', text(probe_until - now)} end
end
if paused_until > now and priority < 2 then return {'paused', text(paused_until - now)} end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - window))
if limit > 0 and priority < 3 then
  local kept = (priority == 0) and reserve or (priority == 1) and for_switch or 0
  local short = 1 + kept + redis.call('ZCARD', KEYS[1]) - limit
  if short > 0 then
    local oldest = redis.call('ZRANGE', KEYS[1], short - 1, short - 1, 'WITHSCORES')
    local wait = oldest[2] and (math.min(tonumber(oldest[2]), now) + window - now) or window
    return {'full', text(wait)}
  end
  if reset_at > now and remaining - kept < 1 then return {'told', text(reset_at - now)} end
end
if reset_at > now then redis.call('HINCRBY', KEYS[2], 'remaining', -1) end
redis.call('ZADD', KEYS[1], text(now + lease), member)
redis.call('PEXPIRE', KEYS[1], math.ceil((window + lease) / 1000))
if open_until and priority == 0 then redis.call('HSET', KEYS[2], 'probe_until', text(now + lease)) end
return {'ok', '0'}
"""
)

CLOSE = (
    NOW
    + """
local member, outcome, detail = ARGV[1], ARGV[2], ARGV[3]
local pause, remaining, reset_at = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local threshold, open_for, window = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

if outcome == 'unsent' or outcome == 'withdrawn' then
  redis.call('ZREM', KEYS[1], member)
else
  redis.call('ZADD', KEYS[1], 'XX', text(now), member)
end
if outcome == 'answered' or outcome == 'limited' then
  redis.call('HSET', KEYS[2], 'failures', 0)
  redis.call('HDEL', KEYS[2], 'open_until', 'probe_until')
elseif outcome ~= 'withdrawn' then
  local failures = redis.call('HINCRBY', KEYS[2], 'failures', 1)
  redis.call('HSET', KEYS[2], 'failed_at', text(now), 'failure', detail)
  if failures >= threshold then
    redis.call('HSET', KEYS[2], 'open_until', text(now + open_for))
    redis.call('HDEL', KEYS[2], 'probe_until')
  end
end
if outcome == 'answered' then redis.call('HSET', KEYS[2], 'answered_at', text(now)) end
if outcome == 'limited' then
  redis.call('HSET', KEYS[2], 'limited_at', text(now))
  redis.call('HINCRBY', KEYS[2], 'limited', 1)
end
if pause > 0 then
  local until_ = tonumber(redis.call('HGET', KEYS[2], 'paused_until')) or 0
  redis.call('HSET', KEYS[2], 'paused_until', text(math.max(until_, now + pause)))
end
if remaining >= 0 and reset_at > now then
  reset_at = math.min(reset_at, now + window)
  -- The provider may not have counted what is still under way; a late answer knows less than an early one.
  local left = remaining - redis.call('ZCOUNT', KEYS[1], '(' .. text(now), '+inf')
  local s = redis.call('HMGET', KEYS[2], 'remaining', 'reset_at')
  local known_reset = tonumber(s[2]) or 0
  if known_reset > now and math.abs(known_reset - reset_at) < 1000000 then
    left = math.min(left, tonumber(s[1]) or left)
  end
  redis.call('HSET', KEYS[2], 'remaining', text(left), 'reset_at', text(reset_at))
end
return 1
"""
)
