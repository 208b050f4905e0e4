//! The page at `/`, which loads nothing else, and what a browser may do with it.
//!
//! Its parts lie beside this file and are joined here, so that a browser gets one document: no
//! build step, no folder of files to serve.
//!
//! Its `<script>` and `<style>` elements are allowed by their digest and nothing else is, so that
//! no text of a post can become a script. Style attributes in its HTML are refused; a script may
//! set `element.style`.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;

/// The page.
pub(crate) const HTML: &str = concat!(
    include_str!("head.html"),
    "<style>\n",
    include_str!("page.css"),
    "</style>\n",
    include_str!("body.html"),
    "<script>\n",
    include_str!("page.js"),
    include_str!("result.js"),
    "</script>\n</body>\n</html>\n"
);

/// What a browser may do with the page: run its own scripts, ask this service, show pictures that a
/// person chose.
pub(crate) fn policy() -> &'static HeaderValue {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    POLICY.get_or_init(|| {
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src 'self' data: blob:; base-uri \
             'none'; form-action 'none'; frame-ancestors 'none'",
            digests(HTML, "script"),
            digests(HTML, "style")
        );
        policy.parse().expect("digests are visible ASCII")
    })
}

/// The digests of all elements of a name, as a policy has them.
fn digests(html: &str, element: &str) -> String {
    let end = format!("</{element}>");
    let of = |rest: &str| {
        let content = rest.split_once('>')?.1.split(&end).next()?;
        Some(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content))))
    };
    let found: Vec<String> = html.split(&format!("<{element}")).skip(1).filter_map(of).collect();
    if found.is_empty() { "'none'".to_owned() } else { found.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_page_is_allowed_by_its_digest() {
        let empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert_eq!(digests("<style></style><b>x</b><style type=\"a\"></style>", "style"), format!("{empty} {empty}"));
        assert_eq!(digests("<p>", "script"), "'none'");
        assert!(!policy().to_str().expect("ASCII").contains("unsafe"));
    }

    #[test]
    fn the_page_loads_nothing() {
        for bad in ["http://", "https://", " src=", "<link", "@import", " style="] {
            let allowed = |line: &&str| line.contains("http://www.w3.org/") || !line.contains(bad);
            assert!(HTML.lines().all(|line| allowed(&line)), "the page has {bad}");
        }
    }
}
