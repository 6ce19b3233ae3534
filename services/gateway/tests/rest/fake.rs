//! All services behind the gateway, as one server that gives the answers it was told to give.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tokio::net::TcpListener;
use tonic::Status;

/// What a method answers: messages and response headers, or a status.
type Answer = Box<dyn Fn(&[u8]) -> Result<(Vec<u8>, HeaderMap), Status> + Send + Sync>;

/// One call that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub(crate) fn message<T: Message + Default>(&self) -> T {
        T::decode(&self.body[5..]).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct Fake {
    answers: HashMap<&'static str, Answer>,
    calls: Mutex<Vec<Call>>,
}

impl Fake {
    /// Answers a method with one message.
    pub(crate) fn on<Q: Message + Default, R: Message>(
        self,
        path: &'static str,
        answer: impl Fn(Q) -> Result<R, Status> + Send + Sync + 'static,
    ) -> Self {
        self.with_headers(path, HeaderMap::new(), move |message| Ok(vec![answer(message)?]))
    }

    /// Answers a method with messages and response metadata.
    pub(crate) fn with_headers<Q: Message + Default, R: Message>(
        mut self,
        path: &'static str,
        headers: HeaderMap,
        answer: impl Fn(Q) -> Result<Vec<R>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.answers.insert(
            path,
            Box::new(move |bytes| {
                let messages = answer(Q::decode(&bytes[5..]).unwrap())?;
                Ok((messages.iter().flat_map(frame).collect(), headers.clone()))
            }),
        );
        self
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The one call so far.
    pub(crate) fn only_call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    /// Serves on a free port until the test ends.
    pub(crate) async fn serve(self) -> (Arc<Self>, SocketAddr) {
        let fake = Arc::new(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (fake, addr)
    }
}

fn frame(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    frame
}

async fn answer(
    State(fake): State<Arc<Fake>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = Call { path: uri.path().to_owned(), headers, body: body.clone() };
    fake.calls.lock().unwrap().push(call);
    let answered = match fake.answers.get(uri.path()) {
        Some(answer) => answer(&body),
        None => Err(Status::unimplemented("the test expects no such call")),
    };
    let (bytes, headers) = match answered {
        Ok(answered) => answered,
        Err(status) => return status.into_http(),
    };
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
    let body = Full::new(Bytes::from(bytes)).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = headers;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}
