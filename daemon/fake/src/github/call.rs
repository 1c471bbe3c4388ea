//! A request as the routes see it, and their answer.

use std::collections::BTreeMap;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its number in the journal.
    pub(crate) seq: u64,
    pub(crate) method: String,
    /// Without the query and without `/api/v3`.
    pub(crate) path: String,
    /// Of the path, percent-decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Call {
    pub(crate) fn new(seq: u64, method: &str, target: &str, headers: HeaderMap, body: Value) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // An Enterprise Server has GraphQL beside REST.
        let path = if path == "/api/graphql" { "/graphql" } else { path };
        let path = path.strip_prefix("/api/v3").unwrap_or(path);
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Self {
            seq,
            method: method.to_owned(),
            path: path.to_owned(),
            segments: path.split('/').filter(|part| !part.is_empty()).map(decode).collect(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer of `Authorization: Bearer …` or `token …`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, bearer) = self.header("authorization")?.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")).then_some(bearer.trim())
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn per_page(&self) -> usize {
        self.number("per_page", 30).clamp(1, 100)
    }

    /// The URL of this call with another query value.
    pub(crate) fn link(&self, name: &str, value: &str) -> String {
        let host = self.header("host").unwrap_or("127.0.0.1");
        let mut query = self.query.clone();
        query.insert(name.to_owned(), value.to_owned());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        format!("http://{host}{}?{query}", self.path)
    }
}

/// What a route answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// `None`: no body.
    pub(crate) body: Option<Value>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        Self::new(status, body)
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    pub(crate) fn invalid(resource: &str, field: &str, code: &str) -> Self {
        let mut answer = Self::error(422, "Validation Failed");
        if let Some(body) = &mut answer.body {
            body["errors"] = json!([{"resource": resource, "field": field, "code": code}]);
        }
        answer
    }

    /// One page of a list, with its `Link` header.
    pub(crate) fn page(call: &Call, items: Vec<Value>) -> Self {
        Self::page_in(call, items, |page, _| Value::Array(page))
    }

    /// One page inside an object: `{"total_count": …, name: […]}`.
    pub(crate) fn named_page(call: &Call, name: &str, items: Vec<Value>) -> Self {
        Self::page_in(call, items, |page, total| json!({"total_count": total, name: page}))
    }

    fn page_in(call: &Call, items: Vec<Value>, shape: impl FnOnce(Vec<Value>, usize) -> Value) -> Self {
        let per_page = call.per_page();
        let page = call.number("page", 1).max(1);
        let total = items.len();
        let last = total.div_ceil(per_page).max(1);
        let chosen: Vec<Value> = items.into_iter().skip((page - 1) * per_page).take(per_page).collect();
        let mut answer = Self::ok(shape(chosen, total));
        let mut links = Vec::new();
        let mut add = |rel: &str, number: usize| {
            links.push(format!("<{}>; rel=\"{rel}\"", call.link("page", &number.to_string())));
        };
        if page > 1 {
            add("prev", (page - 1).min(last));
        }
        if page < last {
            add("next", page + 1);
            add("last", last);
        }
        if page > 1 {
            add("first", 1);
        }
        if !links.is_empty() {
            answer.headers.push(("link".to_owned(), links.join(", ")));
        }
        answer
    }
}
