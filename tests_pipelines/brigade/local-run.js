// node -r local-run.js brigade.js: every job runs as a process of this machine, in LOCAL_SOURCE and CANARY_WORKSPACE.
const { spawnSync } = require("child_process")
const { Job } = require(process.env.BRIGADIER)

const here = (text) =>
  text
    .replace(/\/workspace\b/g, process.env.CANARY_WORKSPACE)
    .replace(/\/src\b/g, process.env.LOCAL_SOURCE)
    .replace(/^\/busybox\/sh$/, "sh")

Job.prototype.run = async function () {
  const { command, arguments: words, environment } = this.primaryContainer
  const [program, ...rest] = [...command, ...words].map(here)
  const done = spawnSync(program, rest, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...JSON.parse(process.env.LOCAL_VARIABLES), ...environment },
    encoding: "utf8",
  })
  console.log(`JOB ${this.name} ${done.status}\n${done.stdout}${done.stderr}`)
  if (done.status !== 0 && !this.fallible) {
    throw new Error(`Job "${this.name}" failed`)
  }
}
require("./told")
