//! What every answer carries, and which requests are answered at all.
//!
//! A page of elsewhere that somebody has open may send requests to loopback, also under a name that it points there
//! (DNS rebinding). So a request must name loopback as its host, and what is not a plain visit must come from a page of
//! the console. Nothing may be framed, loaded from elsewhere, or kept by a cache.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::site::Site;

/// No scripts, no frames, nothing of elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(header::HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Lets a request through, or answers it.
pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&site, &request) {
        None => next.run(request).await,
        Some(status) => status.into_response(),
    };
    response.headers_mut().extend(HEADERS.map(|(name, value)| (Some(name), value)));
    response
}

fn refusal(site: &Site, request: &Request) -> Option<StatusCode> {
    let headers = request.headers();
    if site.on_loopback && !names_loopback(headers) {
        return Some(StatusCode::MISDIRECTED_REQUEST);
    }
    let is_visit = matches!(*request.method(), Method::GET | Method::HEAD);
    (!is_visit && !is_own(headers)).then_some(StatusCode::FORBIDDEN)
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a page of the console sent it: browsers say so (W3C Fetch Metadata), other programs say nothing. An old
/// browser tells the page's origin alone; behind a proxy its host may have another name here.
fn is_own(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(b"same-origin") => return true,
        None | Some(b"none") => {}
        Some(_) => return false,
    }
    let (origin, host) = (headers.get(header::ORIGIN), headers.get(header::HOST));
    origin.is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let named = origin.split_once("://").map(|(_, named)| named.as_bytes());
        named.is_some() && named == host.map(HeaderValue::as_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_loopback_is_a_host() {
        for (host, is) in [
            ("127.0.0.1:8099", true),
            ("127.0.0.1", true),
            ("localhost:8099", true),
            ("[::1]:8099", true),
            ("[::1]", true),
            ("127.0.0.1.example:8099", false),
            ("console.example", false),
            ("10.0.0.1:80", false),
            ("", false),
        ] {
            assert_eq!(names_loopback(&headers(&[("host", host)])), is, "{host}");
        }
        assert!(!names_loopback(&HeaderMap::new()));
    }

    #[test]
    fn a_form_of_elsewhere_is_refused() {
        let host = ("host", "127.0.0.1:80");
        for (more, is) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:80")], true),
            // As a form of a page without a referrer has it, and as a proxy passes it on that names another host.
            (vec![("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "https://console.example")], true),
            (vec![("sec-fetch-site", "none"), ("origin", "null")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "http://example.com")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "http://127.0.0.1:81")], false),
        ] {
            assert_eq!(is_own(&headers(&[vec![host], more.clone()].concat())), is, "{more:?}");
        }
    }
}
