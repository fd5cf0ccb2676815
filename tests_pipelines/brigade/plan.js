// node -r plan.js brigade.js: jobs are written to PLAN_FILE, one a line, and end with the codes of PLAN_CODES, by name.
// A code "none" is a job that never started: it fails and notes nothing.
const fs = require("fs")
const { Job } = require(process.env.BRIGADIER)

const codes = JSON.parse(process.env.PLAN_CODES || "{}")

Job.prototype.run = async function () {
  const { image, command, arguments: words, environment, sourceMountPath, workspaceMountPath, privileged } =
    this.primaryContainer
  const job = { name: this.name, image, command, words, environment, sourceMountPath, workspaceMountPath, privileged }
  const timeout = this.timeoutSeconds
  fs.appendFileSync(process.env.PLAN_FILE, JSON.stringify({ ...job, timeout, fallible: this.fallible }) + "\n")
  const code = codes[this.name] === undefined ? 0 : codes[this.name]
  if (code !== "none") {
    fs.writeFileSync(`${process.env.CANARY_WORKSPACE}/${this.name}.code`, `${code}\n`)
  }
  if (code !== 0 && !this.fallible) {
    throw new Error(`Job "${this.name}" failed`)
  }
}
require("./told")
