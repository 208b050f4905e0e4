//! A service from its start to its end: the model is loaded, the address bound, and a thread
//! answers until it is told to stop.

use crate::connections;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::http;
use crate::model::{Model, ModelSource};
use crate::settings::Settings;
use crate::speed::Speed;
use crate::state::{Reload, State};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Pieces of a batch, where the settings leave them open.
const BATCH_PIECES: usize = 1024;
/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 1024;
/// Threads for what takes long but no model: large bodies, pictures, loading.
const BLOCKING_THREADS: usize = 4;

/// A service at work. Dropping it ends it as [`Service::drain`] does, without waiting.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Service {
    /// Loads a model and listens. It answers when this returns.
    ///
    /// # Errors
    /// Those of the settings and of the run; an address that cannot be bound; threads that the
    /// system does not give.
    pub fn start(source: ModelSource, settings: Settings) -> Result<Self> {
        settings.limits.validate()?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(Error::Start)?;
        // Before the model, which takes longer to find out about.
        let address = settings.address;
        let listener = listen(&runtime, address).map_err(|source| Error::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address, source })?;
        let model = Model::load(&source)?;
        let pieces = settings.limits.batch_pieces.unwrap_or(BATCH_PIECES);
        let workers = settings.workers.unwrap_or_else(|| model.predictor.batches_at_a_time()).max(1);
        let speed = Arc::new(Speed::new(pieces));
        speed.measure(&model, workers);
        let state = Arc::new(State::new(settings, source, model, speed, workers));
        let engine = Engine {
            queue: Arc::clone(&state.queue),
            metrics: Arc::clone(&state.metrics),
            speed: Arc::clone(&state.speed),
            workers,
            fault: state.settings.fault,
        };
        let engine = engine.start().map_err(Error::Start)?;
        let (told_ended, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        let serve = move || {
            runtime.block_on(connections::serve(listener, http::router(&shared), &shared));
            // Whoever waits for a picture or for loading waits no longer.
            runtime.shutdown_background();
            shared.queue.close();
            engine.into_iter().for_each(|worker| drop(worker.join()));
            let _ = told_ended.send(());
        };
        let thread = std::thread::Builder::new().name("smvae-http".to_owned()).spawn(serve);
        // The engine's threads end with the queue, which nobody else would close.
        let thread = thread.inspect_err(|_| state.queue.close()).map_err(Error::Start)?;
        Ok(Self { address, state, thread: Some(thread), ended: Some(ended) })
    }

    /// Where it listens; the port is the real one, also where the settings leave it open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it to end: it is not ready from now on, refuses new requests, answers those it has
    /// admitted, and then ends.
    pub fn drain(&self) {
        self.state.drain();
    }

    /// Loads the run anew. No request is lost; where it fails, the service continues with the model
    /// it has. `None` if it is being loaded already, else how many seconds it took.
    ///
    /// # Errors
    /// Those of loading.
    pub fn reload(&self) -> Result<Option<f64>> {
        Ok(match self.state.reload()? {
            Reload::Done { seconds } => Some(seconds),
            Reload::Busy => None,
        })
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`Error::Panicked`].
    pub fn wait(mut self) -> Result<()> {
        let thread = self.thread.take();
        thread.map_or(Ok(()), |thread| thread.join().map_err(|_| Error::Panicked))
    }

    /// What is told once it has ended.
    pub(crate) fn ended(&mut self) -> Option<oneshot::Receiver<()>> {
        self.ended.take()
    }

    /// A way to load the run anew from another thread.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.state.drain();
    }
}

fn listen(runtime: &Runtime, address: SocketAddr) -> std::io::Result<TcpListener> {
    let _context = runtime.enter();
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A service that was just ended leaves connections behind that keep its port for a while.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
