//! Somebody who looks at the dashboard without a script: pages, forms, cookies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use crate::http::Answer;

/// A browser as simple as can be.
pub struct Visitor {
    base: String,
    client: Client,
    cookies: BTreeMap<String, String>,
    /// As `accept-language`.
    pub language: &'static str,
    /// The page that was shown last.
    pub page: String,
}

impl Visitor {
    #[must_use]
    pub fn new(base: &str) -> Self {
        quittance_chassis::run::install_tls();
        Self {
            base: base.to_owned(),
            client: Client::builder().redirect(Policy::none()).build().unwrap(),
            cookies: BTreeMap::new(),
            language: "en",
            page: String::new(),
        }
    }

    /// Signs in through the form.
    pub async fn signed_in(base: &str, organization: &str, email: &str) -> Self {
        let mut visitor = Self::new(base);
        visitor.open("/app/sign-in").await;
        let fields = [("email", email), ("organization", organization), ("role", "")];
        visitor.send("/app/sign-in", &fields).await;
        assert!(visitor.page.contains("Sign out"), "{}", visitor.page);
        visitor
    }

    /// Opens a page that must be there, after all redirections.
    pub async fn open(&mut self, path: &str) -> &str {
        let answer = self.follow(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        &self.page
    }

    /// Sends a form with the token of the page that was shown last.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.value("form");
        let mut body = format!("form={}", encoded(&form));
        for (name, value) in fields {
            let _ = write!(body, "&{}={}", encoded(name), encoded(value));
        }
        self.follow(Method::POST, path, Some(body)).await
    }

    /// Asks once, and goes on to where the answer leads.
    pub async fn follow(&mut self, method: Method, path: &str, body: Option<String>) -> Answer {
        let mut answer = self.ask(method, path, body).await;
        for _ in 0..5 {
            let Some(next) = answer.headers.get("location") else { break };
            let next = next.to_str().unwrap().to_owned();
            answer = self.ask(Method::GET, &next, None).await;
        }
        self.page.clone_from(&answer.text);
        answer
    }

    /// Asks once.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<String>) -> Answer {
        let path = path.split('#').next().unwrap();
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("accept-language", self.language)
            .header("cookie", cookies.join("; "));
        if let Some(body) = body {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            request = request.header("sec-fetch-site", "same-origin").body(body);
        }
        let answer = crate::http::answer(request).await.expect("the gateway answers");
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = cookie.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The value of the first field of this name on the page.
    #[must_use]
    pub fn value(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self.page.split_once(&start).map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// The text of the element with this id, without marks and with plain spaces.
    #[must_use]
    pub fn text(&self, id: &str) -> String {
        let start = format!("id=\"{id}\"");
        let (_, rest) = self
            .page
            .split_once(&start)
            .unwrap_or_else(|| panic!("no {id} on the page {}", self.page));
        let rest = rest.split_once('>').map_or("", |(_, rest)| rest);
        let end = ["</dd>", "</p>", "</strong>", "</h2>", "</div>"];
        let end = end.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
        let mut text = String::new();
        let mut inside = false;
        for letter in rest[..end].chars() {
            match letter {
                '<' => inside = true,
                '>' => inside = false,
                '\u{a0}' if !inside => text.push(' '),
                letter if !inside => text.push(letter),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Asserts that the page shows a text, spaces being equal.
    pub fn shows(&self, text: &str) {
        let page = self.page.replace('\u{a0}', " ");
        assert!(page.contains(text), "no “{text}” on {page}");
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
