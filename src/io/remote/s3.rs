//! Buckets of S3-compatible stores: the URLs of their files, signed.

use std::time::Duration;

use rusty_s3::{Credentials, S3Action, UrlStyle};

use super::client::Remote;
use crate::error::{Error, Kind, Result};

/// How long a signed URL is good for: one try.
const VALID: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Option<Credentials>,
    /// Without slashes at its ends.
    prefix: String,
}

impl Bucket {
    fn key(&self, key: &str) -> String {
        match (self.prefix.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.prefix.clone(),
            _ => format!("{}/{key}", self.prefix),
        }
    }

    pub fn url(&self, key: &str) -> String {
        self.bucket.object_url(&self.key(key)).to_string()
    }

    pub fn signed(&self, key: &str) -> String {
        let key = self.key(key);
        let action = self.bucket.get_object(self.credentials.as_ref(), &key);
        action.sign(VALID).to_string()
    }
}

/// An S3-compatible store: its address and who asks.
///
/// ```no_run
/// use flagstone::zarr::S3;
///
/// // AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and the like.
/// let store = S3::from_env()?;
/// let t = store.remote("climate", "model.zarr")?.array("t")?.array::<f32>()?;
///
/// let own = S3::new("http://localhost:9000", "us-east-1").credentials("minio", "secret");
/// let x = own.remote("bucket", "x.zarr")?.array("")?.any();
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct S3 {
    endpoint: String,
    region: String,
    credentials: Option<Credentials>,
}

impl S3 {
    /// A store by its address and region, asked without a name: public buckets.
    pub fn new(endpoint: impl Into<String>, region: impl Into<String>) -> S3 {
        S3 {
            endpoint: endpoint.into(),
            region: region.into(),
            credentials: None,
        }
    }

    /// The store that the environment names, by the variables that Amazon's tools read: `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL` (else Amazon's of the region), `AWS_REGION` or `AWS_DEFAULT_REGION` (else `us-east-1`),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. Without the last three, public buckets are
    /// asked without a name. Files of settings and services of machines are not asked.
    ///
    /// # Errors
    /// If there is a key without its secret.
    #[track_caller]
    pub fn from_env() -> Result<S3> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let store = S3::new(endpoint, region);
        match (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        ) {
            (None, _) => Ok(store),
            (Some(key), Some(secret)) => Ok(match variable("AWS_SESSION_TOKEN") {
                Some(token) => store.session(key, secret, token),
                None => store.credentials(key, secret),
            }),
            (Some(_), None) => Err(Error::new(
                Kind::Value,
                "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
            )
            .at(std::panic::Location::caller())),
        }
    }

    /// Who asks, and the secret that proves it.
    pub fn credentials(mut self, key: impl Into<String>, secret: impl Into<String>) -> S3 {
        self.credentials = Some(Credentials::new(key.into(), secret.into()));
        self
    }

    /// As [`credentials`](S3::credentials), for a while only: with a token of the session.
    pub fn session(
        mut self,
        key: impl Into<String>,
        secret: impl Into<String>,
        token: impl Into<String>,
    ) -> S3 {
        let credentials = Credentials::new_with_token(key.into(), secret.into(), token.into());
        self.credentials = Some(credentials);
        self
    }

    /// Files of a bucket below a prefix, which may be empty. The bucket is part of the path, not of the host's name.
    ///
    /// # Errors
    /// If the address is no URL, or the bucket has no name.
    #[track_caller]
    pub fn remote(&self, bucket: &str, prefix: &str) -> Result<Remote> {
        let at = std::panic::Location::caller();
        let wrong = |why: String| {
            let what = format!("the bucket {bucket:?} at {:?}: {why}", self.endpoint);
            Error::new(Kind::Value, what).at(at)
        };
        let endpoint = self
            .endpoint
            .parse()
            .map_err(|error| wrong(format!("{error}")))?;
        if bucket.is_empty() {
            return Err(wrong("it has no name".to_owned()));
        }
        let bucket = rusty_s3::Bucket::new(
            endpoint,
            UrlStyle::Path,
            bucket.to_owned(),
            self.region.clone(),
        )
        .map_err(|error| wrong(error.to_string()))?;
        Ok(Remote::bucket(Bucket {
            bucket,
            credentials: self.credentials.clone(),
            prefix: prefix.trim_matches('/').to_owned(),
        }))
    }
}
