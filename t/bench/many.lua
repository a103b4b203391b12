-- Many sessions for wrk: the lines of the file in $COOKIES are the cookies, sent
-- in turn.

local requests, n = {}, 0

function init(args)
	for line in io.lines(os.getenv("COOKIES")) do
		table.insert(requests, wrk.format("GET", nil, { ["Cookie"] = line }))
	end
end

function request()
	n = n % #requests + 1
	return requests[n]
end
