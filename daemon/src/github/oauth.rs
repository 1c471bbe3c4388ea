//! Signing in with GitHub: the App's user authorisation, by OAuth with `state` and PKCE.
//!
//! Facts: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app>
//! and <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens>.
//! GitHub answers most errors of an exchange with HTTP 200 and a field `error`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use octocrab::OctoBody;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::GitHubError;
use super::answer::redact;
use super::connection::{AGENT, API_VERSION, Connection, GITHUB_JSON, connection, whole};

/// Longest text of GitHub's that is kept: logins have 39 characters, and a `_SHORTCODE` more where a company manages them.
const LONGEST_TEXT: usize = 255;

/// As whom and where orchd signs people in.
#[derive(Clone, Debug)]
pub struct Settings {
    pub api_url: Uri,
    /// Where people sign in; `None`: what belongs to `api_url`.
    pub web_url: Option<String>,
    pub client_id: String,
    pub client_secret: SecretString,
    /// Where GitHub sends people back to: exactly one of the App's callback URLs.
    pub redirect_url: String,
    /// For one request, from connecting to the last byte.
    pub timeout: Duration,
}

/// Why GitHub did not sign somebody in, by who can do something about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The person: signs in once more. Codes are good for one use and ten minutes.
    #[error("GitHub does not know the code, or it was used before")]
    CodeRefused,
    /// The person: signs in again. Refresh tokens are good for one use and six months.
    #[error("GitHub does not take the refresh token")]
    RefreshRefused,
    /// The person: signs in again. They took back what they had allowed, or the token has ended.
    #[error("GitHub does not take the person's token")]
    TokenRefused,
    /// Whoever runs orchd: the App's callback URL is another.
    #[error("GitHub refuses the address to come back to: one of the App's callback URLs must be {0}")]
    RedirectRefused(String),
    /// Whoever runs orchd: client id or client secret.
    #[error("GitHub refuses `github.client_id` or `github.client_secret`")]
    CredentialsRefused,
    /// Whoever runs orchd, most likely.
    #[error("GitHub refused: {0}")]
    Refused(String),
    /// Nobody: GitHub cannot be reached, or asks to be left alone for now.
    #[error("GitHub could not be asked: {0}")]
    Unavailable(String),
    /// An answer that is not what GitHub documents.
    #[error("GitHub's answer could not be read: {0}")]
    Unreadable(String),
}

/// A person's tokens, as GitHub gave them.
#[derive(Clone, Debug)]
pub struct UserTokens {
    pub access: SecretString,
    /// From when it was given; `None`: it does not end by itself.
    pub access_lasts: Option<Duration>,
    pub refresh: Option<SecretString>,
    pub refresh_lasts: Option<Duration>,
}

/// What GitHub says of the person a token is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub github_id: i64,
    pub login: String,
    pub email: Option<String>,
    pub avatar_url: Option<String>,
}

/// Where to send a person, and what has to be kept until they are back.
#[derive(Clone, Debug)]
pub struct Departure {
    pub url: String,
    pub verifier: SecretString,
}

/// What GitHub says beside the standard's fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    refresh_token_expires_in: Option<u64>,
}

impl ExtraTokenFields for Extra {}

type Answer = StandardTokenResponse<Extra, BasicTokenType>;

type OAuthClient = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// GitHub, as people sign in with it. Cheap to clone.
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    client: OAuthClient,
    redirect_url: String,
    user_url: String,
    web_origin: String,
    connection: Connection,
    timeout: Duration,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("web", &self.0.web_origin).finish_non_exhaustive()
    }
}

/// Where people sign in when the API is there: `https://github.com`, or the host of an Enterprise Server.
/// <https://docs.github.com/en/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>
pub fn web_url(api_url: &Uri) -> String {
    let api = api_url.to_string();
    let api = api.trim_end_matches('/');
    match api.strip_suffix("/api/v3") {
        Some(host) => host.to_owned(),
        None => api.replacen("://api.", "://", 1),
    }
}

/// The crate's way out, over our own connection.
impl<'c> AsyncHttpClient<'c> for OAuth {
    type Error = OAuthError;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, OAuthError>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl OAuth {
    /// # Errors
    /// When one of the URLs is none, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, GitHubError> {
        let bad = |what: &str| GitHubError::Credentials(format!("`{what}` must be an absolute http or https URL"));
        let web = settings.web_url.unwrap_or_else(|| web_url(&settings.api_url));
        let at = |path: &str| format!("{}{path}", web.trim_end_matches('/'));
        let authorize = AuthUrl::new(at("/login/oauth/authorize")).map_err(|_| bad("login.web_url"))?;
        let exchange = TokenUrl::new(at("/login/oauth/access_token")).map_err(|_| bad("login.web_url"))?;
        let redirect = RedirectUrl::new(settings.redirect_url).map_err(|_| bad("server.public_url"))?;
        let web_origin = authorize.url().origin().ascii_serialization();
        let tls = settings.api_url.scheme_str() == Some("https") || authorize.url().scheme() == "https";
        let redirect_url = redirect.to_string();
        let client: OAuthClient = Client::new(ClientId::new(settings.client_id))
            .set_client_secret(ClientSecret::new(settings.client_secret.expose_secret().to_owned()))
            .set_auth_uri(authorize)
            .set_token_uri(exchange)
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody);
        Ok(Self(Arc::new(Inner {
            client,
            redirect_url,
            user_url: format!("{}/user", settings.api_url.to_string().trim_end_matches('/')),
            web_origin,
            connection: connection(tls)?,
            timeout: settings.timeout,
        })))
    }

    /// `https://github.com`: where a form of ours may lead.
    pub fn web_origin(&self) -> &str {
        &self.0.web_origin
    }

    /// Longest time that one request takes.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Where a person goes to sign in. They come back with `state`, which nobody must be able to guess.
    pub fn depart(&self, state: &SecretString) -> Departure {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = state.expose_secret().to_owned();
        let (url, _) = self.0.client.authorize_url(|| CsrfToken::new(state)).set_pkce_challenge(challenge).url();
        Departure { url: url.into(), verifier: SecretString::from(verifier.into_secret()) }
    }

    /// The tokens of a person who came back with this code.
    ///
    /// # Errors
    /// [`OAuthError`]; the code is used up by then.
    pub async fn exchange(&self, code: &str, verifier: &SecretString) -> Result<UserTokens, OAuthError> {
        let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
        let asked = self.0.client.exchange_code(AuthorizationCode::new(code.to_owned())).set_pkce_verifier(verifier);
        let answer = asked.request_async(self).await.map_err(|error| self.explain(error))?;
        Ok(tokens(&answer))
    }

    /// New tokens for a refresh token, which is used up by that.
    ///
    /// # Errors
    /// [`OAuthError::RefreshRefused`] when it was used before, or has ended.
    pub async fn refresh(&self, token: &SecretString) -> Result<UserTokens, OAuthError> {
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let asked = self.0.client.exchange_refresh_token(&token).request_async(self).await;
        // `invalid_grant` means the grant that was sent.
        let answer = asked.map_err(|error| match self.explain(error) {
            OAuthError::CodeRefused => OAuthError::RefreshRefused,
            other => other,
        })?;
        Ok(tokens(&answer))
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`OAuthError::TokenRefused`] when GitHub does not take it.
    pub async fn account(&self, access: &SecretString) -> Result<Account, OAuthError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", access.expose_secret()))
            .map_err(|_| OAuthError::Unreadable("a token that fits into no header".to_owned()))?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(Method::GET)
            .uri(&self.0.user_url)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, GITHUB_JSON)
            .header(API_VERSION.0, API_VERSION.1)
            .body(Vec::new())
            .map_err(|error| OAuthError::Unavailable(error.to_string()))?;
        let answer = self.request(request).await?;
        match answer.status() {
            StatusCode::OK => read_account(answer.body()),
            StatusCode::UNAUTHORIZED => Err(OAuthError::TokenRefused),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(OAuthError::Unavailable(format!("it answered {status}")))
            }
            status => Err(OAuthError::Refused(format!("it answered {status} to the question who signs in"))),
        }
    }

    /// For the crate, which reads an error only from an answer that is none by its status.
    async fn send(&self, request: oauth2::HttpRequest) -> Result<oauth2::HttpResponse, OAuthError> {
        let mut answer = self.request(request).await?;
        if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Err(OAuthError::Unavailable(format!("it answered {}", answer.status())));
        }
        if answer.status() == StatusCode::OK && says_error(answer.body()) {
            *answer.status_mut() = StatusCode::BAD_REQUEST;
        }
        Ok(answer)
    }

    async fn request(&self, mut request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OAuthError> {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answer = whole(&self.0.connection, request.map(OctoBody::from), self.0.timeout).await;
        answer.map(|answer| answer.map(Vec::from)).map_err(OAuthError::Unavailable)
    }

    /// Never with the answer's body: what could not be read may hold a token.
    fn explain(&self, error: RequestTokenError<OAuthError, BasicErrorResponse>) -> OAuthError {
        match error {
            RequestTokenError::Request(error) => error,
            RequestTokenError::Parse(error, _) => OAuthError::Unreadable(error.path().to_string()),
            RequestTokenError::Other(_) => OAuthError::Unreadable("an answer without content".to_owned()),
            RequestTokenError::ServerResponse(said) => match said.error().as_ref() {
                "bad_verification_code" => OAuthError::CodeRefused,
                // The standard's word, which the verifier of PKCE is refused with, too.
                "invalid_grant" => OAuthError::CodeRefused,
                "bad_refresh_token" => OAuthError::RefreshRefused,
                "redirect_uri_mismatch" => OAuthError::RedirectRefused(self.0.redirect_url.clone()),
                "incorrect_client_credentials" | "invalid_client" => OAuthError::CredentialsRefused,
                word => OAuthError::Refused(shown(word, said.error_description())),
            },
        }
    }
}

/// An error's word, and what GitHub says beside it, cut and without tokens.
fn shown(word: &str, description: Option<&String>) -> String {
    let description = description.map(|text| format!(": {text}")).unwrap_or_default();
    redact(&format!("{word}{description}")).chars().take(LONGEST_TEXT).collect()
}

fn says_error(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "error")]
        _error: String,
    }
    serde_json::from_slice::<Said>(body).is_ok()
}

fn tokens(answer: &Answer) -> UserTokens {
    UserTokens {
        access: SecretString::from(answer.access_token().secret().clone()),
        access_lasts: answer.expires_in(),
        refresh: answer.refresh_token().map(|token| SecretString::from(token.secret().clone())),
        refresh_lasts: answer.extra_fields().refresh_token_expires_in.map(Duration::from_secs),
    }
}

fn read_account(body: &[u8]) -> Result<Account, OAuthError> {
    #[derive(Deserialize)]
    struct Told {
        id: i64,
        login: String,
        email: Option<String>,
        avatar_url: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).map_err(|error| OAuthError::Unreadable(error.to_string()))?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if told.id <= 0 || told.login.is_empty() || told.login.len() > LONGEST_TEXT || !told.login.bytes().all(fits) {
        return Err(OAuthError::Unreadable("a user without an id or a login".to_owned()));
    }
    let short = |text: Option<String>| text.filter(|text| text.len() <= LONGEST_TEXT);
    Ok(Account { github_id: told.id, login: told.login, email: short(told.email), avatar_url: short(told.avatar_url) })
}

#[cfg(test)]
mod tests;
