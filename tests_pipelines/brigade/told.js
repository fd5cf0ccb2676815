// The worker of Brigade waits for the handler and takes the text that it returns as the event's summary.
const { EventRegistry } = require(process.env.BRIGADIER)

const fire = EventRegistry.prototype.fire
EventRegistry.prototype.fire = function (event) {
  const key = `${event.source}:${event.type}`
  if (!this.handlers[key] && !this.handlers[`${event.source}:*`]) {
    console.log(`NO HANDLER FOR ${key}`)
    process.exit(3)
  }
  Promise.resolve(fire.call(this, event)).then(
    (summary) => console.log(`SUMMARY ${summary}`),
    (error) => {
      console.log(`FAILED ${error.message}`)
      process.exitCode = 1
    }
  )
}
