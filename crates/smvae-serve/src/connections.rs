//! Connections: accepted up to a limit, each with a time for its header and for taking its answers,
//! until the service ends.
//!
//! A client that closes its side of a connection has gone: its request is dropped, also where it
//! only meant that it has nothing more to say.

use crate::http::errors::{Problem, Refusal};
use crate::state::State;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

/// Bytes of a request's header, and of what is read from a connection at once.
const HEADER_BYTES: usize = 32 * 1024;
/// How long nothing is accepted after the system had no file descriptor left.
const WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(50);
/// How long the last answers may take to be sent.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until the service was told to end and has answered what it admitted.
pub(crate) async fn serve(listener: TcpListener, router: Router, state: &Arc<State>) {
    let mut connections = JoinSet::new();
    let stop = watch::Sender::new(());
    let drained = async {
        state.told_to_end().await;
        // Those that take longer are not answered.
        let _ = timeout(state.settings.limits.drain_time, state.idle()).await;
    };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            () = &mut drained => break,
            Some(_) = connections.join_next() => {
                state.metrics.connections.set(connections.len() as i64);
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= state.settings.limits.connections => {
                    state.metrics.connections_refused.inc();
                    refuse(stream, state.settings.limits.connections);
                }
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), Arc::clone(state), stop.subscribe()));
                    state.metrics.connections.set(connections.len() as i64);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(WITHOUT_DESCRIPTORS).await;
                }
            },
        }
    }
    drop(listener);
    stop.send_replace(());
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left then is dropped with the set.
    let _ = timeout(LAST_ANSWERS, all).await;
}

/// Whether a connection was gone before it was accepted, or a signal came: the next one can be
/// accepted at once.
fn is_of_one_client(error: &std::io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One connection, until either side ends it.
async fn connection(stream: TcpStream, router: Router, state: Arc<State>, mut stop: watch::Receiver<()>) {
    let limits = &state.settings.limits;
    // Answers are small and whole: waiting for more of them gains nothing.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Patient { stream, limit: limits.body_time, waiting: None });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(HEADER_BYTES);
    let connection = builder.serve_connection(io, TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // Whatever goes wrong on the wire is the client's to know.
        _ = &mut connection => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Answers a connection beyond the limit, whatever it asks.
fn refuse(stream: TcpStream, limit: usize) {
    let message = format!("{limit} connections are open, which is the limit: try again later");
    let problem = Problem { code: "too_many_connections", message, post: None, field: None };
    let body = serde_json::to_string(&Refusal { error: problem }).expect("our own types have a JSON form");
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    // The buffer of a new socket has room for it; a client that has gone already needs no answer.
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(&[head.as_bytes(), body.as_bytes()].concat());
        let _ = stream.shutdown(Shutdown::Write);
        // Closed with bytes that nobody has read, a connection is reset, and its client may never
        // see the answer. What is still to come is not waited for.
        let _ = stream.read(&mut vec![0u8; HEADER_BYTES]);
    }
}

/// A stream that gives up where its client takes nothing of what is written for so long.
struct Patient {
    stream: TcpStream,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What became of writing, or that it took too long.
    fn within_limit<T>(&mut self, cx: &mut Context<'_>, written: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within_limit(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.within_limit(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.within_limit(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_client_that_is_refused_gets_its_answer_and_no_reset() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            let mut client = std::net::TcpStream::connect(address).expect("it listens");
            client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").expect("it is open");
            let (stream, _) = listener.accept().await.expect("a client");
            stream.readable().await.expect("it has asked");
            refuse(stream, 7);
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("an answer to its end");
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("7 connections are open"), "{answer}");
            assert_eq!(client.take_error().expect("a socket").map(|error| error.kind()), None);
        });
    }

    #[test]
    fn a_client_that_has_gone_keeps_no_other_waiting() {
        for kind in [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted] {
            assert!(is_of_one_client(&kind.into()), "{kind}");
        }
        assert!(!is_of_one_client(&ErrorKind::OutOfMemory.into()));
        // Too many open files.
        #[cfg(unix)]
        assert!(!is_of_one_client(&std::io::Error::from_raw_os_error(24)));
    }
}
