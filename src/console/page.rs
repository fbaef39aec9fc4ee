//! The frame of every page, and the way from a request to one.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use maud::{DOCTYPE, Markup, html};
use tokio::task::spawn_blocking;

use super::{
    ConsoleError, guard, language::Language, log, overview, refusals, search, site::Site, tables, tenant, tenants,
    traffic,
};

const STYLE: &str = include_str!("style.css");

/// Keeps the chosen language for a year.
const COOKIE: &str = "lang";

/// A request, as far as pages look at it.
pub(super) struct View {
    pub language: Language,
    /// The path, without the query.
    pub path: String,
    query: HashMap<String, String>,
    /// The language was chosen with this request.
    chosen: bool,
}

/// What a page is made of.
pub(super) struct Page {
    pub title: String,
    /// Whether somebody waits for it to change.
    pub refresh: bool,
    pub status: StatusCode,
    pub body: Markup,
}

type Make = fn(&Site, &View) -> Result<Page, ConsoleError>;

impl Page {
    pub fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), refresh: false, status: StatusCode::OK, body }
    }

    /// There is no such page.
    pub fn missing(view: &View) -> Self {
        let language = view.language;
        let body = html! { p { (language.of("Deze bladzijde bestaat niet.", "There is no such page.")) } };
        Self { status: StatusCode::NOT_FOUND, ..Self::new(language.of("Niet gevonden", "Not found"), body) }
    }
}

impl View {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default();
        let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let chosen = query.get("lang").and_then(|tag| Language::of_tag(tag));
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kept = text(header::COOKIE).split(';').find_map(|cookie| cookie.trim().strip_prefix("lang="));
        let kept = kept.and_then(Language::of_tag);
        let language = chosen.or(kept).unwrap_or_else(|| Language::accepted(text(header::ACCEPT_LANGUAGE)));
        Self { language, path: uri.path().to_owned(), query, chosen: chosen.is_some() }
    }

    /// What was asked by that name.
    pub fn asked(&self, name: &str) -> &str {
        self.query.get(name).map(|text| text.trim()).unwrap_or_default()
    }

    /// This page in another language.
    fn in_language(&self, language: Language) -> String {
        let kept = self.query.iter().filter(|(name, _)| *name != "lang");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("lang", language.tag());
        // A path of two slashes would be the address of another site.
        format!("/{}?{}", self.path.trim_start_matches('/'), query.finish())
    }
}

/// The console's pages.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", page(overview::page))
        .route("/tenants", page(tenants::page))
        .route("/tenants/{id}", page(tenant::page))
        .route("/traffic", page(traffic::page))
        .route("/refusals", page(refusals::page))
        .route("/log", page(log::page))
        .route("/log/verify", post(verify))
        .route("/search", page(search::page))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .fallback(async |State(site): State<Arc<Site>>, request: Request| {
            show(site, request, |_, view| Ok(Page::missing(view))).await
        })
        .layer(from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

fn page(make: Make) -> MethodRouter<Arc<Site>> {
    get(async move |State(site): State<Arc<Site>>, request: Request| show(site, request, make).await)
}

async fn verify(State(site): State<Arc<Site>>) -> Redirect {
    site.verification.start(&site.log_dir(), &site.clock);
    Redirect::to("/log")
}

async fn show(site: Arc<Site>, request: Request, make: Make) -> Response {
    let view = View::of(request.uri(), request.headers());
    // Reading the ledger and the log may wait for the disk.
    let made = spawn_blocking(move || {
        let page = make(&site, &view).unwrap_or_else(|error| failed(&view, &error));
        let faults = site.settings().1;
        (page.status, frame(&view, &page, faults), view)
    });
    let Ok((status, markup, view)) = made.await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, content_type, markup.into_string()).into_response();
    if view.chosen {
        let cookie = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly", view.language.tag());
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn failed(view: &View, error: &ConsoleError) -> Page {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    tracing::error!(error = told, page = view.path, "a page could not be made");
    let language = view.language;
    let body = html! {
        p { (language.of("De bladzijde kan nu niet worden gemaakt.", "The page cannot be made now.")) }
        p { code { (told) } }
    };
    let title = language.of("Er ging iets mis", "Something went wrong");
    Page { status: StatusCode::INTERNAL_SERVER_ERROR, ..Page::new(title, body) }
}

/// The pages of the menu.
const MENU: [(&str, &str, &str); 5] = [
    ("/", "Overzicht", "Overview"),
    ("/tenants", "Besturen", "Tenants"),
    ("/traffic", "Verkeer", "Traffic"),
    ("/refusals", "Weigeringen", "Refusals"),
    ("/log", "Logboek", "Log"),
];

fn frame(view: &View, page: &Page, faults: usize) -> Markup {
    let language = view.language;
    let is_here = |path: &str| view.path == path || (path != "/" && view.path.starts_with(&format!("{path}/")));
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if page.refresh { meta http-equiv="refresh" content="3"; }
                title { (page.title) " · groeikluis" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#main" { (language.of("Naar de inhoud", "Skip to content")) }
                header {
                    div.bar {
                        a.brand href="/" { "groeikluis" }
                        nav aria-label=(language.of("Bladzijden", "Pages")) {
                            ul {
                                @for (path, dutch, english) in MENU {
                                    li { a href=(path) aria-current=[is_here(path).then_some("page")] {
                                        (language.of(dutch, english))
                                    } }
                                }
                            }
                        }
                        (search_form(view))
                        (languages(view))
                    }
                }
                main id="main" tabindex="-1" {
                    @if faults > 0 {
                        p.notice role="status" { (tables::prose(&language.of(
                            format!("De configuratiebestanden hebben {faults} fout(en): dit is de laatste goede lezing. `groeikluis check` toont ze."),
                            format!("The configuration's files have {faults} fault(s): this is the last good reading. `groeikluis check` shows them."),
                        ))) }
                    }
                    h1 { (page.title) }
                    (page.body)
                }
                footer {
                    p { (language.of(
                        "Alleen om te kijken: hier wordt niets gewijzigd, en er staan geen gegevens van burgers. Tijden zijn die van Brussel.",
                        "For looking only: nothing is changed here, and there is no citizens' data. Times are those of Brussels.",
                    )) }
                }
            }
        }
    }
}

fn search_form(view: &View) -> Markup {
    let language = view.language;
    let label = language.of("Zoek een bestand, protocol of sleutel", "Search for a file, protocol or key");
    html! {
        form role="search" action="/search" method="get" {
            label for="q" class="unseen" { (label) }
            input id="q" name="q" type="search" maxlength="200" placeholder=(label) value=(view.asked("q"));
            button type="submit" { (language.of("Zoek", "Search")) }
        }
    }
}

fn languages(view: &View) -> Markup {
    html! {
        ul.languages aria-label=(view.language.of("Taal", "Language")) {
            @for language in Language::ALL {
                li {
                    @if language == view.language {
                        span aria-current="true" lang=(language.tag()) { (language.name()) }
                    } @else {
                        a href=(view.in_language(language)) lang=(language.tag()) hreflang=(language.tag()) {
                            (language.name())
                        }
                    }
                }
            }
        }
    }
}
