//! GraphQL, for what REST cannot change: where it is asked, and what its refusals mean. Pure.
//!
//! GraphQL tells its errors in an answer of status 200. Such an answer is given the status that REST has for the same, so
//! that everything behind it (limits, breaker, errors) has to know one way only.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// Below `api_url`, as `endpoint` knows.
pub(super) const PATH: &str = "/graphql";

/// `data` of an answer.
#[derive(Deserialize)]
pub(super) struct Told<T> {
    pub data: T,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    /// In capitals; absent when the query itself is wrong, and when GitHub failed while carrying it out.
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: String,
    /// Of a query that is wrong: what is.
    extensions: Option<Value>,
}

/// Base path of GraphQL: an Enterprise Server has it at `/api/graphql`, beside REST at `/api/v3`.
/// <https://docs.github.com/en/enterprise-server@latest/graphql/guides/forming-calls-with-graphql#the-graphql-endpoint>
pub(super) fn base(base: &str) -> &str {
    base.strip_suffix("/v3").unwrap_or(base)
}

/// The status an answer of GraphQL would have from REST.
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>
pub(super) fn status(status: StatusCode, body: &Bytes) -> StatusCode {
    if status != StatusCode::OK {
        return status;
    }
    // What is no JSON is found out by whoever reads it.
    let Ok(Errors { errors }) = serde_json::from_slice(body) else { return status };
    errors.first().map_or(status, |error| match error.kind.as_deref() {
        Some("NOT_FOUND") => StatusCode::NOT_FOUND,
        Some("RATE_LIMITED") => StatusCode::TOO_MANY_REQUESTS,
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => StatusCode::FORBIDDEN,
        Some("INTERNAL" | "SERVICE_UNAVAILABLE") => StatusCode::BAD_GATEWAY,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None if error.message.to_ascii_lowercase().contains("rate limit") => StatusCode::FORBIDDEN,
        None if error.extensions.is_some() => StatusCode::UNPROCESSABLE_ENTITY,
        // "Something went wrong while executing your query": a change may or may not have happened.
        None => StatusCode::BAD_GATEWAY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_status_that_rest_has_for_it() {
        let of = |body: &str| status(StatusCode::OK, &Bytes::from(body.to_owned())).as_u16();
        let error = |fields: &str| of(&format!(r#"{{"data":{{"x":null}},"errors":[{{"path":["x"],{fields}}}]}}"#));
        assert_eq!(error(r#""type":"NOT_FOUND","message":"Could not resolve to a node""#), 404);
        assert_eq!(error(r#""type":"FORBIDDEN","message":"Resource not accessible by integration""#), 403);
        assert_eq!(error(r#""type":"UNPROCESSABLE","message":"Pull request is closed""#), 422);
        assert_eq!(error(r#""type":"RATE_LIMITED","message":"API rate limit exceeded""#), 429);
        assert_eq!(error(r#""message":"You have exceeded a secondary rate limit.""#), 403);
        assert_eq!(error(r#""message":"Something went wrong while executing your query.""#), 502);
        assert_eq!(error(r#""message":"Field 'x' doesn't exist","extensions":{"code":"undefinedField"}"#), 422);
        assert_eq!(of(r#"{"data":{"x":{}}}"#), 200);
        assert_eq!(of("<html>"), 200);
        assert_eq!(status(StatusCode::BAD_GATEWAY, &Bytes::new()), 502);
    }

    #[test]
    fn an_enterprise_server_has_it_beside_rest() {
        assert_eq!(base("/api/v3"), "/api");
        assert_eq!(base(""), "");
    }
}
