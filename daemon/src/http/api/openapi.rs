//! `/api/openapi.json`: the API's description, made of the table of operations, the parameters that are read and the
//! types that are answered. The document is built with utoipa, the schemas of data by schemars, as that of the config.

use bytes::Bytes;
use http::StatusCode;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, Operation as Described, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, PathsBuilder, RefOr, Required, ResponseBuilder,
};

use super::call::Call;
use super::endpoints::{Answers, Endpoint, endpoint};
use super::params::{Param, ParamKind};
use crate::core::access::{Needs, OPERATIONS, Op, Operation};

use crate::http::error::{HttpError, Problem};

/// Where the schemas of data stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// `owner/name:rule`, each of a hundred characters at most.
const LONGEST_RULE: usize = 302;

/// Keys and tokens, and the cookie of a person who signed in.
const BY_KEY: &str = "key";
const BY_SESSION: &str = "session";

pub(super) async fn show(mut call: Call) -> Result<Bytes, HttpError> {
    call.no_query()?;
    Ok(call.app.description())
}

/// The whole document, as JSON.
pub(in crate::http) fn describe() -> Bytes {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut data = settings.into_generator();
    data.subschema_for::<Problem<'static>>();
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        paths = paths.add(operation, operation_of(operation, &endpoint(operation.op), &mut data));
    }
    let mut document = serde_json::to_value(document(paths)).unwrap_or_default();
    // utoipa's own type for schemas does not hold all that JSON Schema can say.
    document["components"]["schemas"] = Value::Object(data.take_definitions(true));
    document.to_string().into()
}

trait Add {
    fn add(self, operation: &Operation, described: Described) -> Self;
}

impl Add for PathsBuilder {
    fn add(self, operation: &Operation, described: Described) -> Self {
        let method = match operation.method {
            "GET" => HttpMethod::Get,
            "POST" => HttpMethod::Post,
            "PUT" => HttpMethod::Put,
            _ => HttpMethod::Delete,
        };
        self.path(operation.path.replace("*}", "}"), utoipa::openapi::PathItem::new(method, described))
    }
}

fn document(paths: PathsBuilder) -> utoipa::openapi::OpenApi {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key (`orchd_…`), or a token of `POST /api/auth/token`."))
        .build();
    let session = ApiKey::Cookie(ApiKeyValue::with_description(
        "__Host-orchd",
        "A person who signed in at `/login`. What writes takes the header `X-CSRF-Token` and the site's own `Origin` too.",
    ));
    let components = ComponentsBuilder::new()
        .security_scheme(BY_KEY, SecurityScheme::Http(key))
        .security_scheme(BY_SESSION, SecurityScheme::ApiKey(session))
        .build();
    let info = InfoBuilder::new()
        .title("orchd")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build()))
        .description(Some(
            "What orchd knows and can do. Lists are pages, newest first: `next` of one is `after` of the next. Errors \
             are `application/problem+json` with the request's id. What is read carries an `ETag`. A key may ask 1,000 \
             times an hour and 100 times a minute unless the config says otherwise; answers say what is left in \
             `RateLimit-…`. What writes may be sent again under the same `Idempotency-Key`: it is done once.",
        ))
        .build();
    let areas: std::collections::BTreeSet<&str> = OPERATIONS.iter().map(area).collect();
    let tags: Vec<_> = areas.into_iter().map(|area| TagBuilder::new().name(area).build()).collect();
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components)).tags(Some(tags)).build()
}

/// `events` of `events.list`.
fn area(operation: &Operation) -> &'static str {
    operation.name.split('.').next().unwrap_or(operation.name)
}

fn operation_of(operation: &Operation, endpoint: &Endpoint, data: &mut SchemaGenerator) -> Described {
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.name))
        .tag(area(operation))
        .summary(Some(operation.help))
        .description(Some(terms(operation)));
    for name in operation.parameters() {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        described = described.parameter(parameter.schema(schema(path_parameter(operation, name))));
    }
    for Param { name, kind, help } in endpoint.query {
        let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query).description(Some(*help));
        described = described.parameter(parameter.required(Required::False).schema(schema(query_parameter(*kind))));
    }
    if operation.writes() && operation.op != Op::TokensCreate {
        let help = "Of one's own choice: sent again with the same one, the request is not done twice.";
        let parameter = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
        let text = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
        described = described.parameter(parameter.description(Some(help)).schema(schema(text)));
    }
    if let Some(takes) = endpoint.takes {
        let content = ContentBuilder::new().schema(schema(takes(data).to_value())).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(match operation.op {
            // Without one the token may do all that its key may.
            Op::TokensCreate => Required::False,
            _ => Required::True,
        }));
        described = described.request_body(Some(body.build()));
    }
    if operation.needs != Needs::Nothing {
        let scopes: Vec<&str> = operation.scope.iter().map(|scope| scope.word()).collect();
        described = described
            .security(SecurityRequirement::new(BY_KEY, scopes))
            .security(SecurityRequirement::new(BY_SESSION, Vec::<String>::new()));
    }
    answers(described, operation, endpoint, data).build()
}

/// What it takes to be allowed to.
fn terms(operation: &Operation) -> String {
    let level = match operation.needs {
        Needs::Nothing => "Anybody may.".to_owned(),
        Needs::Oneself => "Whoever has signed in or sends a key.".to_owned(),
        Needs::Repository(level) => format!("Takes the level {level} in the repository that it is about."),
        Needs::Site(level) => format!("Takes the level {level} in orchd as a whole."),
    };
    match operation.scope {
        Some(scope) => format!("{level} A key needs the scope `{scope}`."),
        None => level,
    }
}

fn path_parameter(operation: &Operation, name: &str) -> Value {
    const HALF: &str = "[A-Za-z0-9._-]{1,100}";
    match (area(operation), name) {
        (_, "seq") => json!({"type": "integer", "minimum": 1}),
        ("installations", "id") => json!({"type": "integer"}),
        ("decisions", "id") => json!({"type": "string", "pattern": "^[0-9a-f-]{36}\\.[0-9a-f-]{36}$"}),
        (_, "id") => json!({"type": "string", "format": "uuid"}),
        (_, "owner" | "name") => json!({"type": "string", "pattern": format!("^{HALF}$")}),
        (_, "issue") => json!({"type": "string", "pattern": format!("^{HALF}/{HALF}#[0-9]{{1,9}}$")}),
        (_, "revision") => json!({"type": "string", "pattern": "^[0-9a-f]{4,40}$"}),
        _ => json!({"type": "string", "minLength": 1, "maxLength": LONGEST_RULE}),
    }
}

fn query_parameter(kind: ParamKind) -> Value {
    match kind {
        ParamKind::Text => json!({"type": "string"}),
        ParamKind::Time => json!({"type": "string", "format": "date-time"}),
        ParamKind::Id => json!({"type": "string", "format": "uuid"}),
        ParamKind::Count { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        ParamKind::Flag => json!({"type": "boolean"}),
        ParamKind::Repository => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"}),
        ParamKind::Rule => json!({"type": "string", "minLength": 1, "maxLength": LONGEST_RULE}),
        ParamKind::Words(words) => json!({"type": "string", "enum": words}),
    }
}

fn answers(
    described: OperationBuilder,
    operation: &Operation,
    endpoint: &Endpoint,
    data: &mut SchemaGenerator,
) -> OperationBuilder {
    let (status, media, answer) = match endpoint.answers {
        Answers::Document(describe) | Answers::Written(describe) | Answers::Health(describe) => {
            (StatusCode::OK, "application/json", Some(describe))
        }
        Answers::Created(describe) => (StatusCode::CREATED, "application/json", Some(describe)),
        Answers::Lines(describe) => (StatusCode::OK, "application/x-ndjson", Some(describe)),
    };
    let mut found = ResponseBuilder::new().description(operation.help);
    if let Some(describe) = answer {
        let described = describe(data).to_value();
        // A description of lines is that of each: no schema fits a text of several.
        let content = match endpoint.answers {
            Answers::Lines(_) => ContentBuilder::new().item_schema(schema(described)),
            _ => ContentBuilder::new().schema(schema(described)),
        };
        found = found.content(media, content.build());
    }
    let mut described = described.response(status.as_str(), found.build());
    if !operation.writes() {
        let unchanged = ResponseBuilder::new().description("It is as `If-None-Match` says.");
        described = described.response("304", unchanged.build());
    }
    if let Answers::Health(describe) = endpoint.answers {
        let content = ContentBuilder::new().schema(schema(describe(data).to_value())).build();
        let failing = ResponseBuilder::new().description("It cannot do its work.").content("application/json", content);
        described = described.response(StatusCode::SERVICE_UNAVAILABLE.as_str(), failing.build());
    }
    for (status, told) in refusals(operation) {
        if matches!(endpoint.answers, Answers::Health(_)) && status == StatusCode::SERVICE_UNAVAILABLE {
            continue;
        }
        let problem = json!({"$ref": format!("#{SCHEMAS}/Problem")});
        let content = ContentBuilder::new().schema(schema(problem)).build();
        let refused = ResponseBuilder::new().description(told).content("application/problem+json", content);
        described = described.response(status.as_str(), refused.build());
    }
    described
}

/// Every way in which it can be refused, but for faults of the daemon's own.
fn refusals(operation: &Operation) -> Vec<(StatusCode, &'static str)> {
    let mut all = vec![
        (StatusCode::BAD_REQUEST, "It cannot be read; `detail` says what is wrong."),
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests; `Retry-After` says when to come back."),
        (StatusCode::SERVICE_UNAVAILABLE, "The store or GitHub does not answer now."),
    ];
    all.push((StatusCode::UNAUTHORIZED, "Nobody is signed in, or the key is no good."));
    if operation.needs != Needs::Nothing {
        all.push((StatusCode::FORBIDDEN, "The level or the scope is not enough."));
        all.push((StatusCode::NOT_FOUND, "There is no such thing, or not for you."));
    }
    if operation.writes() || operation.op == Op::ConfigFile {
        all.push((StatusCode::CONFLICT, "It does not fit the state of the thing."));
    }
    if operation.writes() {
        all.push((StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."));
        all.push((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."));
        all.push((StatusCode::UNPROCESSABLE_ENTITY, "It can be read, and cannot be done."));
    }
    all
}

/// A schema as utoipa holds it: its own type knows the few words that are used here.
fn schema(value: Value) -> Option<RefOr<utoipa::openapi::Schema>> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_every_operation_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_slice(&describe()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for operation in OPERATIONS {
            let path = operation.path.replace("*}", "}");
            let described = &document["paths"][&path][operation.method.to_ascii_lowercase()];
            assert_eq!(described["operationId"], operation.name, "{path}");
            let told = ["200", "201"].map(|status| described["responses"][status]["content"].is_object());
            assert!(told.contains(&true), "{} tells nothing", operation.name);
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
    }
}
