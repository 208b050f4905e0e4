//! One line in the log and one count for every request, also for one whose client goes away. No
//! text of a post, no query and no header are in it.

use crate::http::ask::Took;
use crate::http::errors::Code;
use crate::metrics::Outcome;
use crate::state::State;
use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;

/// The status of a request whose client has gone, as proxies write it.
const CLIENT_GONE: u16 = 499;

/// Letters of the longest method that is logged by its name.
const LONGEST_METHOD: usize = 10;

/// A request under way.
struct Observed {
    state: Arc<State>,
    number: u64,
    method: String,
    route: String,
    start: Instant,
    is_told: bool,
}

impl Observed {
    fn tell(&mut self, status: u16, code: &'static str, took: Took) {
        self.is_told = true;
        let Self { number, method, route, start, .. } = self;
        let time = start.elapsed();
        let milliseconds = |time: std::time::Duration| time.as_micros() as f64 / 1000.0;
        tracing::info!(
            request = *number,
            %method,
            route = %route,
            status,
            code,
            ms = milliseconds(time),
            posts = took.posts,
            queue_ms = milliseconds(took.queue),
            model_ms = milliseconds(took.model),
            "request"
        );
        self.state.metrics.request(Outcome { route: std::mem::take(route), status, code }, time);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(CLIENT_GONE, "client_gone", Took::default());
        }
    }
}

/// A method as the log has it: one that a client makes up may be as long as a header.
fn name_of(method: &Method) -> &str {
    if method.as_str().len() <= LONGEST_METHOD { method.as_str() } else { "other" }
}

/// Lets a request pass, and tells what became of it.
pub(crate) async fn observe(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = name_of(request.method()).to_owned();
    let number = state.next_request();
    let mut observed = Observed { state, number, method, route, start: Instant::now(), is_told: false };
    let mut response = next.run(request).await;
    let code = response.extensions().get::<Code>().map_or("ok", |code| code.0);
    let took = response.extensions().get::<Took>().copied().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert("x-request-id", HeaderValue::from(number));
    if took.posts > 0 {
        let times =
            format!("queue;dur={:.1}, model;dur={:.1}", took.queue.as_secs_f64() * 1e3, took.model.as_secs_f64() * 1e3);
        headers.insert("server-timing", times.parse().expect("figures are visible ASCII"));
    }
    observed.tell(response.status().as_u16(), code, took);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_logged_within_bounds() {
        let name = |text: &str| name_of(&Method::from_bytes(text.as_bytes()).expect("a method")).to_owned();
        assert_eq!((name("GET"), name("PROPFIND")), ("GET".to_owned(), "PROPFIND".to_owned()));
        assert_eq!(name("A-METHOD-OF-MY-OWN"), "other");
    }
}
