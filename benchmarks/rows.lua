-- wrk: each line of the file named by BODIES is the body of a request, in turn.
local bodies, at = {}, 0
for line in io.lines(os.getenv("BODIES")) do
  bodies[#bodies + 1] = wrk.format("POST", os.getenv("ASKED"), {["content-type"] = "application/json", ["host"] = "127.0.0.1"}, line)
end
function request()
  at = at % #bodies + 1
  return bodies[at]
end
