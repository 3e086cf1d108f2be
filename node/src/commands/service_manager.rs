//! Messages to the service manager that started this process: the `sd_notify` protocol of systemd. Without one, nothing is
//! sent.

use std::{future::pending, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// The service manager, as a command that runs until a signal sees it.
pub(super) struct ServiceManager {
    /// Times at which a message says that the command still answers. `None` if the service manager does not watch it.
    watchdog: Option<Interval>,
}

impl ServiceManager {
    /// The service manager of this process. Must be called within a runtime.
    pub(super) fn of_process() -> Self {
        // Half of the limit, as sd_watchdog_enabled(3) recommends.
        let watchdog =
            system::watchdog_limit().map(|limit| interval((limit / 2).max(Duration::from_millis(1))));
        let watchdog = watchdog.map(|mut ticks| {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { watchdog }
    }

    /// Says that the command does its work, described by one line.
    pub(super) fn ready(&self, status: &str) {
        system::ready(status);
    }

    /// Says that the command reads its configuration again. [`ServiceManager::ready`] ends that.
    pub(super) fn reloading(&self) {
        system::reloading();
    }

    /// Says that the command ends.
    pub(super) fn stopping(&self) {
        system::stopping();
    }

    /// Sends the next message of the watchdog when it is due. Cancel-safe.
    pub(super) async fn answer_watchdog(&mut self) {
        match &mut self.watchdog {
            Some(ticks) => {
                ticks.tick().await;
                system::alive();
            }
            None => pending().await,
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use sd_notify::NotifyState;

    pub(super) fn watchdog_limit() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    pub(super) fn ready(status: &str) {
        send(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub(super) fn reloading() {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            send(&[NotifyState::Reloading, now]);
        }
    }

    pub(super) fn stopping() {
        send(&[NotifyState::Stopping]);
    }

    pub(super) fn alive() {
        send(&[NotifyState::Watchdog]);
    }

    fn send(state: &[NotifyState]) {
        // Without NOTIFY_SOCKET nothing is sent, and that is no error.
        if let Err(error) = sd_notify::notify(state) {
            tracing::warn!("cannot reach the service manager: {error}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    pub(super) fn watchdog_limit() -> Option<Duration> {
        None
    }

    pub(super) fn ready(_: &str) {}

    pub(super) fn reloading() {}

    pub(super) fn stopping() {}

    pub(super) fn alive() {}
}
