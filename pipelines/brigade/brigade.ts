// The pipeline of a service on Brigade v2: build -> deploy -> gate -> promote | reject | hold.
//
// One script for two projects. Brigade's worker runs the script of the commit that an event is about, so an event about
// unreviewed code must never reach a project whose secrets matter:
//   project.yaml                 trusted references: published releases, registries, the clock, people
//   project-pull-requests.yaml   pull requests, with a test cluster and a scratch registry of its own
//
// Secrets of a project (brig project secret set):
//   image          the repository of the image without a tag, for example docker.io/shop/reviews
//   registryAuth   the content of a Docker config.json that may push to it
//   kubeconfig     the content of a kubeconfig that may do what deploy/runner/role.yaml allows
//   reportsURL     where reports and records of releases are kept: PUT and GET of <reportsURL>/<event>.tar.gz must work.
//                  Without it nobody could go on with a held release, so a hold rejects.

import { Event, events, Job, logger } from "@brigadecore/brigadier"

declare const process: { env: { [name: string]: string | undefined } }
declare const require: (name: "fs") => { readFileSync(path: string, encoding: "utf8"): string }

const HARNESS = "docker.io/canary-harness/canary-harness:0.1.0"
const BUILDER = "gcr.io/kaniko-project/executor:v1.23.2-debug"
const UPLOADER = "docker.io/alpine/curl:8.12.1" // runs as root, since only the user of a run can read its reports

const SOURCE = "/src"
const WORKSPACE = "/workspace"
const MINUTES = 60

// Where the worker itself sees what jobs see in WORKSPACE.
const SEEN_HERE = process.env.CANARY_WORKSPACE || "/var/workspace"

// The exit codes of harness. Everything else, such as a job that never started, is trouble.
const PASS = 0
const FAIL = 1
const MARGINAL = 10
const INCONCLUSIVE = 11
const TROUBLE = 12

const IMAGE = /^[a-z0-9][a-z0-9._\/:-]*?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$/

const STEPS = {
  deploy: `harness release deploy --image "$IMAGE"`,
  gate: `
phase() { harness release status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"]["phase"])'; }
gates() { # one for each weight of harness.yaml; the first that does not pass ends them
  until [ "$(phase)" = switch ]; do
    harness release shift || return
    harness release gate --no-wait || return
  done
}
gates`,
  promote: `harness release promote`,
  reject: `harness release reject --by "$BY" --reason "$REASON"`,
  hold: `harness release status`,
  approve: `harness release approve --by "$BY" --reason "$REASON" && harness release resume --no-wait`,
}

type Variables = { [name: string]: string }

// ---------------------------------------------------------------------------------------------------------------------
// Jobs

/** A job that runs harness in a copy of the source, which all jobs of the event share: it holds the release's record. */
class HarnessJob extends Job {
  constructor(event: Event, name: string, command: string, variables: Variables, minutes: number) {
    super(name, HARNESS, event)
    this.timeoutSeconds = minutes * MINUTES
    const container = this.primaryContainer
    container.sourceMountPath = SOURCE
    container.workspaceMountPath = WORKSPACE
    container.command = ["sh", "-c"]
    container.arguments = [
      [
        "umask 077",
        "export KUBECONFIG=$(mktemp)", // a private file, so that no process inherits the credentials
        `printf %s "$KUBECONFIG_CONTENT" >"$KUBECONFIG"`,
        "unset KUBECONFIG_CONTENT",
        `mkdir -p ${WORKSPACE}/source && cd ${WORKSPACE}/source || exit 12`,
        `[ -f harness.yaml ] || cp -R ${SOURCE}/. . || exit 12`,
        command,
        "code=$?",
        `rm -f "$KUBECONFIG"`,
        `echo $code >${WORKSPACE}/${name}.code`,
        "exit $code",
      ].join("\n"),
    ]
    container.environment = { ...variables, KUBECONFIG_CONTENT: secret(event, "kubeconfig") }
  }
}

/** Run a job of harness and return its exit code. Brigade tells a script only that a job failed, so the job notes it. */
async function exitCode(job: Job): Promise<number> {
  let failed = ""
  try {
    await job.run()
  } catch (error) {
    failed = String(error)
  }
  let code = TROUBLE
  try {
    const noted = require("fs").readFileSync(`${SEEN_HERE}/${job.name}.code`, "utf8").trim()
    code = /^[0-9]+$/.test(noted) ? Number(noted) : TROUBLE
  } catch (error) {
    logger.error(`job ${job.name} noted no exit code: ${String(error)}`)
  }
  if (failed && code === PASS) {
    return TROUBLE // the job failed although harness did not, for example because it ran out of time
  }
  if (!failed && code !== PASS) {
    return TROUBLE
  }
  return code
}

function build(event: Event, image: string): Job {
  const job = new Job("build", BUILDER, event)
  job.timeoutSeconds = 30 * MINUTES
  job.primaryContainer.sourceMountPath = SOURCE
  job.primaryContainer.command = ["/busybox/sh", "-c"]
  job.primaryContainer.arguments = [
    `umask 077; mkdir -p /kaniko/.docker && printf %s "$AUTH" >/kaniko/.docker/config.json && unset AUTH &&
exec /kaniko/executor --context=dir://${SOURCE} --dockerfile=Dockerfile --destination="$IMAGE"`,
  ]
  job.primaryContainer.environment = { AUTH: secret(event, "registryAuth"), IMAGE: image }
  return job
}

function step(event: Event, name: keyof typeof STEPS, image: string, by = "", reason = ""): HarnessJob {
  const minutes = name === "gate" || name === "approve" ? 180 : 30
  return new HarnessJob(event, name, STEPS[name], { IMAGE: image, BY: by, REASON: reason }, minutes)
}

/** Keep the reports and the record of this event. It may fail without failing the pipeline: the verdict stands. */
async function keepReports(event: Event): Promise<void> {
  const url = event.project.secrets.reportsURL
  if (!url) {
    return
  }
  const job = new Job("keep-reports", UPLOADER, event)
  job.fallible = true
  job.primaryContainer.workspaceMountPath = WORKSPACE
  job.primaryContainer.command = ["sh", "-c"]
  job.primaryContainer.arguments = [
    `tar -C ${WORKSPACE} -czf /tmp/$EVENT.tar.gz source/reports && curl -fsS -T /tmp/$EVENT.tar.gz "$URL/$EVENT.tar.gz"`,
  ]
  job.primaryContainer.environment = { URL: url, EVENT: event.id }
  await job.run()
}

/** Fetch the record of a held release, which another event has left. */
function restore(event: Event, held: string): Job {
  const job = new Job("restore", UPLOADER, event)
  job.primaryContainer.workspaceMountPath = WORKSPACE
  job.primaryContainer.command = ["sh", "-c"]
  job.primaryContainer.arguments = [`curl -fsS "$URL/$EVENT.tar.gz" | tar -C ${WORKSPACE} -xzf -`]
  job.primaryContainer.environment = { URL: secret(event, "reportsURL"), EVENT: held }
  return job
}

// ---------------------------------------------------------------------------------------------------------------------
// Pipelines. Each ends with a summary, or with an error that fails the event.

/** Deploy an image as a canary, judge it, and promote it, reject it, or leave it to a person. */
async function release(event: Event, image: string): Promise<string> {
  try {
    const verdict = await judged(event, image)
    if ((verdict === MARGINAL || verdict === INCONCLUSIVE) && event.project.secrets.reportsURL) {
      await exitCode(step(event, "hold", image)) // its log shows the record
      throw new Error(held(event, image, verdict))
    }
    if (verdict !== PASS) {
      throw await rejected(event, image, because(verdict))
    }
    return await promoted(event, image)
  } finally {
    await keepReports(event)
  }
}

/** Deploy a canary of a pull request, judge it and take it out again, whatever the verdict is. */
async function examine(event: Event, image: string): Promise<string> {
  try {
    const verdict = await judged(event, image)
    const reason = `the canary of a pull request is never promoted; ${because(verdict)}`
    const removed = await exitCode(step(event, "reject", image, "brigade", reason))
    if (verdict !== PASS) {
      throw new Error(`${image}: ${because(verdict)}`)
    }
    if (removed !== PASS) {
      throw new Error(`${image} passed, but its canary may still be there (exit code ${removed})`)
    }
    return `${image} passed; the canary is gone`
  } finally {
    await keepReports(event)
  }
}

async function judged(event: Event, image: string): Promise<number> {
  const deployed = await exitCode(step(event, "deploy", image))
  return deployed === PASS ? exitCode(step(event, "gate", image)) : deployed === FAIL ? FAIL : TROUBLE
}

async function promoted(event: Event, image: string): Promise<string> {
  const code = await exitCode(step(event, "promote", image))
  if (code !== PASS) {
    throw await rejected(event, image, `the promotion did not succeed (exit code ${code})`)
  }
  return `${image} is promoted`
}

/** Take the canary out and return the error to throw. */
async function rejected(event: Event, image: string, reason: string): Promise<Error> {
  const code = await exitCode(step(event, "reject", image, "brigade", reason))
  const gone = code === PASS ? "the canary is gone" : `THE CANARY MAY STILL BE THERE (exit code ${code})`
  return new Error(`${image} is rejected: ${reason}; ${gone}`)
}

function because(verdict: number): string {
  const words: { [code: number]: string } = {
    [PASS]: "verdict pass",
    [FAIL]: "verdict fail",
    [MARGINAL]: "verdict marginal",
    [INCONCLUSIVE]: "verdict inconclusive",
  }
  return words[verdict] || "no verdict: the harness or its environment is in trouble"
}

function held(event: Event, image: string, verdict: number): string {
  const payload = JSON.stringify({ command: "approve", event: event.id, by: "NAME", reason: "WHY" })
  const create = `brig event create --project ${event.project.id} --source brigade.sh/cli --type exec --payload`
  return `${image} is held: ${because(verdict)}. A person decides: ${create} '${payload}' (or "command": "reject")`
}

/** Go on with a held release as a person decided, or take its canary out. */
async function decided(event: Event, command: "approve" | "reject", held: any, by: any, reason: any): Promise<string> {
  if (typeof by !== "string" || typeof reason !== "string" || !by.trim() || !reason.trim()) {
    throw new Error("expected by and reason in the payload: a decision of nobody is none")
  }
  if (!/^[0-9a-f-]{36}$/.test(String(held))) {
    throw new Error(`expected the id of the event that held the release, found "${held}"`)
  }
  await restore(event, held).run()
  try {
    const code = await exitCode(step(event, command, "", by, reason))
    if (code === MARGINAL || code === INCONCLUSIVE) {
      throw new Error(held(event, "the next step of the release", code))
    }
    if (code !== PASS) {
      throw await rejected(event, "the release", `${command} by ${by} ended with exit code ${code}`)
    }
    return `${command === "approve" ? "promoted" : "rejected"} by ${by}: ${reason}`
  } finally {
    await keepReports(event)
  }
}

/** Run all scenarios against the cluster; nothing is released. */
async function scenarios(event: Event): Promise<string> {
  const command = `harness run --target cluster -- --junit-xml=reports/verdicts.xml`
  try {
    const code = await exitCode(new HarnessJob(event, "scenarios", command, {}, 230))
    if (code !== PASS) {
      throw new Error(because(code))
    }
    return because(code)
  } finally {
    await keepReports(event)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What events say

function secret(event: Event, name: string): string {
  const value = event.project.secrets[name]
  if (!value) {
    throw new Error(`project ${event.project.id} has no secret ${name}: brig project secret set`)
  }
  return value
}

function parsed(event: Event): any {
  try {
    return JSON.parse(event.payload || "{}")
  } catch (error) {
    throw new Error(`the payload of ${event.source} ${event.type} is not JSON: ${String(error)}`)
  }
}

/** Return the commit that the worker checked out. An event without one would build whatever the branch is by then. */
function commit(event: Event): string {
  const found = (event.worker.git && event.worker.git.commit) || ""
  if (!/^[0-9a-f]{40}$/.test(found)) {
    throw new Error(`expected a commit in the event, found "${found}"`)
  }
  return found
}

/** Return the image with a tag, if it is one of ours. Only such an image reaches a job, and only as a variable. */
function ours(event: Event, image: string): string {
  const repository = secret(event, "image")
  const tagged = image.indexOf(`${repository}:`) === 0 || image.indexOf(`${repository}@`) === 0
  if (!tagged || !IMAGE.test(image)) {
    throw new Error(`expected an image ${repository}:TAG or ${repository}@DIGEST, found "${image}"`)
  }
  return image
}

/** Tags that this pipeline pushed itself are released by the event that built them, and latest is a second name. */
function released(tag: string): boolean {
  return !/^(git|pr)-[0-9a-f]{40}$/.test(tag) && tag !== "latest"
}

/**
 * Whether the payload proves that the code is a branch of this repository. GitHub lists no pull requests of a fork in a
 * check suite and names no branch for it, so what is missing counts as a fork.
 */
function fromThisRepository(event: Event): boolean {
  const payload = parsed(event)
  const suite = payload.check_suite || {}
  const pulls: any[] = suite.pull_requests || []
  const here = payload.repository && payload.repository.id
  const same = pulls.every(
    (pull) => pull.head && pull.base && pull.head.repo.id === here && pull.base.repo.id === here
  )
  const head = suite.head_repository || payload.repository
  return Boolean(here && suite.head_branch && same && head.id === here && head.fork !== true)
}

interface Pushed {
  repository: string
  tag: string
  digest: string
}

/** Return what a CloudEvent of a registry announces. */
function announced(data: any): Pushed[] {
  if (data.target && data.target.repository) {
    // Azure Container Registry, Microsoft.ContainerRegistry.ImagePushed
    const { repository, tag, digest } = data.target
    return [{ repository: `${data.request.host}/${repository}`, tag, digest }]
  }
  if (data.resources) {
    // Harbor, harbor.artifact.pushed
    return data.resources.map((one: any) => ({
      repository: one.resource_url.replace(/(:[^/:]*|@.*)$/, ""),
      tag: one.tag,
      digest: one.digest,
    }))
  }
  throw new Error(`expected target (Azure) or resources (Harbor) in the event's data, found ${Object.keys(data)}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// Events. Each of the two projects subscribes to some of these; a test finds a subscription without a handler.

// A branch of this repository, or a pull request from one: a canary that is judged and taken out again.
events.on("brigade.sh/github", "ci:pipeline_requested", async (event: Event) => {
  if (!fromThisRepository(event)) {
    logger.warn("the code comes from a fork, or nothing proves that it does not: nothing is built and nothing runs")
    return "not run: the code comes from a fork"
  }
  const image = ours(event, `${secret(event, "image")}:pr-${commit(event)}`)
  await build(event, image).run()
  return examine(event, image)
})

// A published GitHub release: build and release it.
events.on("brigade.sh/github", "cd:pipeline_requested", async (event: Event) => {
  const image = ours(event, `${secret(event, "image")}:git-${commit(event)}`)
  await build(event, image).run()
  return release(event, image)
})

// An image that somebody pushed to Docker Hub.
events.on("brigade.sh/dockerhub", "push", async (event: Event) => {
  const { push_data: pushed, repository } = parsed(event)
  if (!released(pushed.tag)) {
    return `not released: the tag ${pushed.tag}`
  }
  return release(event, ours(event, `docker.io/${repository.repo_name}:${pushed.tag}`))
})

// An image in any other registry. One push of several tags is one image.
events.on("brigade.sh/cloudevents", "cloudevent", async (event: Event) => {
  const found = announced(parsed(event).data).filter((pushed) => released(pushed.tag || ""))
  const images = new Set(found.map((pushed) => `${pushed.repository}@${pushed.digest}`))
  if (images.size !== 1) {
    return `not released: expected one image, found ${images.size}`
  }
  return release(event, ours(event, Array.from(images)[0]))
})

// Every night.
events.on("brigade.sh/cron", "nightly", scenarios)

// A person: brig event create --project PROJECT --source brigade.sh/cli --type exec --payload '{"command": "scenarios"}'
events.on("brigade.sh/cli", "exec", async (event: Event) => {
  const { command, image, event: held, by, reason } = parsed(event)
  switch (command) {
    case "scenarios":
      return scenarios(event)
    case "release":
      return release(event, ours(event, image))
    case "approve":
    case "reject":
      return decided(event, command, held, by, reason)
    default:
      throw new Error(`expected command scenarios, release, approve or reject in the payload, found "${command}"`)
  }
})

events.process()
