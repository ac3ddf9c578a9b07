package redisstore

import "github.com/redis/go-redis/v9"

// granted is what scripts answer when the session is held by the caller, whose
// token is the first argument.
const granted = int64(1)

// In all scripts, the first key is the lock and the second is the state.
var (
	// acquire takes a lock that is free, or that an earlier attempt of the same
	// caller has got without learning of it, and keeps the state from expiring.
	acquire = redis.NewScript(owner + `
if lock and not own then return 0 end
if lock then redis.call('pexpire', KEYS[1], ARGV[2]) else redis.call('set', KEYS[1], ARGV[1] .. ':0', 'PX', ARGV[2]) end
if ARGV[3] == '0' then redis.call('persist', KEYS[2]) else redis.call('pexpire', KEYS[2], ARGV[3]) end
return 1`)

	extend = redis.NewScript(owner + `
if not own then return 0 end
redis.call('pexpire', KEYS[1], ARGV[2])
if ARGV[3] ~= '0' then redis.call('pexpire', KEYS[2], ARGV[3]) end
return 1`)

	load = redis.NewScript(owner + `
if not own then return 0 end
return {redis.call('get', KEYS[2])}`)

	save = redis.NewScript(owner + latest + `
if ARGV[5] == '0' then redis.call('set', KEYS[2], ARGV[4]) else redis.call('set', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
return 1`)

	remove = redis.NewScript(owner + latest + `
redis.call('del', KEYS[2])
return 1`)

	release = redis.NewScript(owner + `
if not own then return 0 end
redis.call('del', KEYS[1])
if ARGV[2] ~= '0' then redis.call('pexpire', KEYS[2], ARGV[2]) end
return 1`)
)

const (
	// owner reads the lock.
	owner = `local lock = redis.call('get', KEYS[1])
local own = lock and string.sub(lock, 1, #ARGV[1] + 1) == ARGV[1] .. ':'
`
	// latest is for writes, with a number and the lease as the next arguments. It
	// ends one that is not the caller's to make, or has been overtaken.
	latest = `if not own or tonumber(string.sub(lock, #ARGV[1] + 2)) > tonumber(ARGV[2]) then return 0 end
redis.call('set', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
`
)
