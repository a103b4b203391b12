-- Complete logins for wrk: one connection a thread, two requests a login.  The
-- provider's part is played here: the code is the algorithm that it shall sign
-- with, the argument, and the nonce (see idp.mjs).  The counts are printed at
-- the end, as wrk itself counts requests; the cookies of the sessions are added
-- to the file in $COOKIES.

local threads = {}
local callback, cookie

function setup(thread)
	table.insert(threads, thread)
end

function init(args)
	logins, failed, alg, cookies = 0, 0, args[1], {}
end

function request()
	if callback then
		return wrk.format("GET", callback, { ["Cookie"] = cookie })
	end

	return wrk.format("GET", "/protected/page?x=1",
		{ ["Sec-Fetch-Mode"] = "navigate" })
end

local function header(headers, name)
	for k, v in pairs(headers) do
		if k:lower() == name then
			return v
		end
	end
end

function response(status, headers, body)
	local location = header(headers, "location")

	if status ~= 302 or not location then
		failed = failed + 1
		callback = nil
		return
	end

	if callback then
		logins = logins + 1
		callback = nil
		table.insert(cookies, header(headers, "set-cookie"):match("^[^;]+"))
		return
	end

	cookie = header(headers, "set-cookie"):match("^[^;]+")
	callback = "/oidc_callback?code=" .. alg .. "."
		.. location:match("[?&]nonce=([^&]+)")
		.. "&state=" .. location:match("[?&]state=([^&]+)")
end

function done(summary, latency, requests)
	local l, f = 0, 0
	local file = io.open(os.getenv("COOKIES"), "a")

	for _, thread in ipairs(threads) do
		l = l + thread:get("logins")
		f = f + thread:get("failed")

		for _, line in ipairs(thread:get("cookies")) do
			file:write(line, "\n")
		end
	end

	file:close()

	io.write(string.format("LOGINS %d FAILED %d SECONDS %.6f\n", l, f,
		summary.duration / 1e6))
end
