//! The two texts that metrics are told in, and which of them a reader gets.
//!
//! `OpenMetrics` 1.0 is for who asks for it, as every Prometheus since 2.5 does. Everybody else (a browser, `curl`,
//! `promtool check metrics`, collectors of other makes) gets the text format 0.0.4 that came before it: the same samples,
//! with the types that it knows.

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Plain,
}

impl Exposition {
    /// What a reader with that `Accept` header gets: `OpenMetrics` where it names it, and likes nothing plain better.
    pub fn accepted(accept: &str) -> Self {
        let weight_of = |wanted: &str| {
            let ranges = accept.split(',').filter_map(|range| {
                let (media, parameters) = range.split_once(';').unwrap_or((range, ""));
                let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
                let weight = weight.map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok());
                media.trim().eq_ignore_ascii_case(wanted).then_some(weight?)
            });
            ranges.fold(0.0, f32::max)
        };
        let open = weight_of("application/openmetrics-text");
        if open > 0.0 && open >= weight_of("text/plain") { Self::OpenMetrics } else { Self::Plain }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// That text, of one in `OpenMetrics`.
    pub(super) fn of(self, open: String) -> String {
        match self {
            Self::OpenMetrics => open,
            Self::Plain => plain(&open),
        }
    }
}

/// In `OpenMetrics` a family is named without what its samples' names end in; here it is named as its samples are. Units
/// and the end are not marked.
fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|told| told.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, told)) = help.take().filter(|(of, _)| *of == name) {
                text.extend(["# HELP ", name, ending, " ", told, "\n"]);
            }
            text.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_open_metrics_gets_it_and_nobody_else() {
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain;q=0.5, application/OpenMetrics-text; version=1.0.0; q=0.5",
        ] {
            assert_eq!(Exposition::accepted(accept), Exposition::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain;version=0.0.4",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "text/plain, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=much",
        ] {
            assert_eq!(Exposition::accepted(accept), Exposition::Plain, "{accept}");
        }
    }

    #[test]
    fn families_are_named_as_their_samples_are() {
        let open = "# HELP a_bytes What came.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{b=\"# c\"} 1\n\
            # HELP d What runs.\n# TYPE d info\nd_info{e=\"f\"} 1\n# HELP g Now.\n# TYPE g gauge\ng 2.5\n# EOF\n";
        let expected = "# HELP a_bytes_total What came.\n# TYPE a_bytes_total counter\na_bytes_total{b=\"# c\"} 1\n\
            # HELP d_info What runs.\n# TYPE d_info gauge\nd_info{e=\"f\"} 1\n# HELP g Now.\n# TYPE g gauge\ng 2.5\n";
        assert_eq!(Exposition::Plain.of(open.to_owned()), expected);
        assert_eq!(Exposition::OpenMetrics.of(open.to_owned()), open);
    }
}
