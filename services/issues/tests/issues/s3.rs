//! The few verbs of S3 that the store speaks, in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

type Objects = BTreeMap<String, Vec<u8>>;

/// What the bucket holds, and what is under way.
#[derive(Clone, Default)]
pub(crate) struct Bucket(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    objects: Objects,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    calls: Vec<String>,
}

impl Bucket {
    /// Serves the bucket on a free port.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await });
        addr
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.0.lock().unwrap().uploads.len()
    }

    /// How often a verb was heard, such as `POST uploads`.
    pub(crate) fn heard(&self, call: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|known| *known == call).count()
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.0.lock().unwrap().objects.insert(key.to_owned(), bytes.to_vec());
    }
}

async fn answer(
    State(bucket): State<Bucket>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|value| value.contains("Credential=key-id/")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut inner = bucket.0.lock().unwrap();
    let key = uri.path().trim_start_matches("/bucket").trim_start_matches('/').to_owned();
    let word =
        ["uploads", "uploadId", "list-type"].into_iter().find(|name| query.contains_key(*name));
    inner.calls.push(format!("{method} {}", word.unwrap_or("object")));
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match (method.as_str(), word) {
        ("GET", Some("list-type")) => {
            let prefix = query.get("prefix").cloned().unwrap_or_default();
            listed(&inner.objects, &prefix).into_response()
        }
        ("POST", Some("uploads")) => {
            let id = format!("upload-{}", inner.calls.len());
            inner.uploads.insert(id.clone(), BTreeMap::new());
            xml("InitiateMultipartUploadResult", &format!("<UploadId>{id}</UploadId>"))
        }
        ("PUT", Some("uploadId")) => {
            let part = query["partNumber"].parse().unwrap();
            inner.uploads.get_mut(&upload).unwrap().insert(part, body.to_vec());
            [("etag", format!("\"part-{part}\""))].into_response()
        }
        ("POST", Some("uploadId")) => {
            let parts = inner.uploads.remove(&upload).unwrap();
            inner.objects.insert(key, parts.into_values().flatten().collect());
            xml("CompleteMultipartUploadResult", "<ETag>\"whole\"</ETag>")
        }
        ("DELETE", Some("uploadId")) => {
            inner.uploads.remove(&upload);
            StatusCode::NO_CONTENT.into_response()
        }
        ("PUT", None) => {
            inner.objects.insert(key, body.to_vec());
            [("etag", "\"whole\"")].into_response()
        }
        ("GET", None) => match inner.objects.get(&key) {
            Some(bytes) => {
                let written = ("last-modified", "Fri, 08 May 2026 12:00:00 GMT");
                ([("etag", "\"whole\""), written], bytes.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
        ("DELETE", None) => {
            inner.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn listed(objects: &Objects, prefix: &str) -> Response {
    let mut contents = String::new();
    for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        write!(
            contents,
            "<Contents><Key>{key}</Key><LastModified>2026-05-08T12:00:00.000Z</LastModified>\
             <ETag>\"whole\"</ETag><Size>{}</Size></Contents>",
            bytes.len()
        )
        .unwrap();
    }
    xml("ListBucketResult", &format!("<IsTruncated>false</IsTruncated>{contents}"))
}

fn xml(name: &str, inside: &str) -> Response {
    let text = format!("<?xml version=\"1.0\"?><{name}>{inside}</{name}>");
    ([("content-type", "application/xml")], text).into_response()
}
