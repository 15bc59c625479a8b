/** Says on stderr what is being done, with a running count of seconds; call the answer when it is done. */
export function progress(text) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const inPlace = process.stderr.isTTY === true;
  process.stderr.write(inPlace ? `${text}…` : `${text}…\n`);
  const timer = setInterval(() => {
    if (inPlace) process.stderr.write(`\r${text}… ${seconds()} s`);
    else if (seconds() % 20 === 0) process.stderr.write(`  … ${seconds()} s\n`);
  }, 1000);
  timer.unref();
  return () => {
    clearInterval(timer);
    process.stderr.write(inPlace ? `\r${text}: done in ${seconds()} s.\n` : `  done in ${seconds()} s\n`);
  };
}
