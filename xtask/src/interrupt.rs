//! Ctrl-C, SIGTERM and SIGHUP: noticed once, looked at by everything that waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

static REQUESTED: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// Starts to listen.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        *REQUESTED.lock().unwrap_or_else(PoisonError::into_inner) = true;
        CHANGED.notify_all();
    })
    .context("cannot listen to signals")
}

/// Tells whether we were asked to stop.
pub(crate) fn requested() -> bool {
    *REQUESTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails when we were asked to stop.
pub(crate) fn check() -> Result<()> {
    if requested() {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits, but no longer than until we are asked to stop.
pub(crate) fn pause(time: Duration) {
    let requested = REQUESTED.lock().unwrap_or_else(PoisonError::into_inner);
    drop(CHANGED.wait_timeout_while(requested, time, |requested| !*requested));
}

/// Waits until we are asked to stop.
pub(crate) fn wait() {
    let requested = REQUESTED.lock().unwrap_or_else(PoisonError::into_inner);
    drop(CHANGED.wait_while(requested, |requested| !*requested));
}

/// Asks again and again until the answer is yes; `false` when the time is over.
pub(crate) fn poll(time: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + time;
    loop {
        check()?;
        if ready()? {
            return Ok(true);
        }
        if end <= Instant::now() {
            return Ok(false);
        }
        pause(Duration::from_millis(100));
    }
}
