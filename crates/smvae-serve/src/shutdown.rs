//! What the process is told: SIGTERM and Ctrl-C end the service, a second one ends the process at
//! once, SIGHUP loads the run anew.

use crate::error::{Error, Result};
use crate::service::Service;
use crate::state::Reload;
#[cfg(unix)]
use std::future::poll_fn;
use std::net::SocketAddr;
use tokio::runtime::Builder;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a program that a signal ended.
const ENDED_BY_SIGNAL: i32 = 130;

impl Service {
    /// Answers until the process is told to end.
    ///
    /// # Errors
    /// As [`Service::run_with`].
    pub fn run(self) -> Result<()> {
        self.run_with(|_| ())
    }

    /// The same, telling where it listens as soon as signals are caught.
    ///
    /// # Errors
    /// [`Error::Start`] where signals cannot be caught, [`Error::Panicked`].
    pub fn run_with(mut self, on_ready: impl FnOnce(SocketAddr)) -> Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
        let ended = self.ended();
        let caught = runtime.block_on(async {
            let mut signals = Signals::catch()?;
            on_ready(self.address());
            let Some(mut ended) = ended else { return Ok(()) };
            let mut is_told = false;
            loop {
                tokio::select! {
                    _ = &mut ended => return Ok(()),
                    told = signals.next() => match told {
                        Told::Reload => reload(&self),
                        Told::End if is_told => {
                            tracing::warn!("ended at once: requests are lost");
                            std::process::exit(ENDED_BY_SIGNAL);
                        }
                        Told::End => {
                            is_told = true;
                            self.drain();
                            tracing::info!("ending: admitted requests are answered, a second signal ends at once");
                        }
                    },
                }
            }
        });
        caught.map_err(Error::Start)?;
        self.wait()
    }
}

/// Loads the run anew in a thread of its own, so that signals are heard meanwhile.
fn reload(service: &Service) {
    let state = service.state();
    std::thread::spawn(move || match state.reload() {
        Ok(Reload::Done { seconds }) => tracing::info!(seconds, "the run was loaded anew"),
        Ok(Reload::Busy) => tracing::info!("the run is being loaded already"),
        Err(error) => tracing::error!(%error, "the run was not loaded anew, the service continues with the old one"),
    });
}

enum Told {
    End,
    Reload,
}

#[cfg(unix)]
struct Signals {
    end: [Signal; 2],
    reload: Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        let end = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { end, reload: signal(SignalKind::hangup())? })
    }

    async fn next(&mut self) -> Told {
        poll_fn(|cx| {
            if self.end.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                return std::task::Poll::Ready(Told::End);
            }
            self.reload.poll_recv(cx).map(|_| Told::Reload)
        })
        .await
    }
}

/// Elsewhere there is Ctrl-C alone.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Told {
        let _ = tokio::signal::ctrl_c().await;
        Told::End
    }
}
