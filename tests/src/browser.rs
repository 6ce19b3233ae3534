//! A headless Chromium, driven over `WebDriver` (W3C): its protocol is a dozen JSON calls.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key under which `WebDriver` names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a page may take to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks pages for barriers. See `tests/assets/axe-LICENSE`.
const AXE: &str = include_str!("../assets/axe.min.js");

/// A window of a browser of its own. It ends with its driver when it is dropped.
pub struct Browser {
    session: String,
    base: String,
    client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The group holds the driver and the browser that it has started.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["--", &group]).status();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Opens a window in which pages of this base are looked at.
    pub async fn open(base: &str) -> Self {
        Self::open_with(base, &[]).await
    }

    /// The same with further options of the browser.
    pub async fn open_with(base: &str, options: &[&str]) -> Self {
        let driver =
            find(&["chromedriver"]).expect("chromedriver is missing: cargo xtask test installs it");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let driver = command.spawn().expect("chromedriver starts");
        let profile = TempDir::new().unwrap();
        let client = crate::http::client();
        let root = format!("http://127.0.0.1:{port}");
        let mut args = vec![
            "--headless=new".to_owned(),
            // Tests run as root in containers, whose pages are ours.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--lang=en-US".to_owned(),
            "--window-size=1280,1000".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        args.extend(options.iter().map(|option| (*option).to_owned()));
        let mut chrome = json!({ "args": args, "prefs": { "intl.accept_languages": "en-US,en" } });
        if let Some(program) = find(&["chromium", "chromium-browser", "google-chrome"]) {
            chrome["binary"] = json!(program);
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": chrome,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let start = Instant::now();
        let session = loop {
            let answer = client.post(format!("{root}/session")).json(&wanted).send().await;
            if let Ok(answer) = answer {
                let body: Value = answer.json().await.unwrap();
                let id = body["value"]["sessionId"].as_str();
                break id.unwrap_or_else(|| panic!("no browser: {body}")).to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let session = format!("{root}/session/{session}");
        Self { session, base: base.to_owned(), client, driver, _profile: profile }
    }

    async fn try_call(&self, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let url = format!("{}{path}", self.session);
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        let answer = request.send().await.expect("chromedriver answers");
        let good = answer.status().is_success();
        let mut body: Value = answer.json().await.expect("chromedriver answers in JSON");
        let value = body["value"].take();
        if good { Ok(value) } else { Err(value) }
    }

    async fn call(&self, path: &str, body: Option<Value>) -> Value {
        let answer = self.try_call(path, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {} {}", error["error"], error["message"]))
    }

    /// Opens a page.
    pub async fn goto(&self, path: &str) {
        self.call("/url", Some(json!({ "url": format!("{}{path}", self.base) }))).await;
    }

    /// The address of the page, without host.
    pub async fn path(&self) -> String {
        let url = self.call("/url", None).await;
        url.as_str().unwrap().strip_prefix(&self.base).unwrap_or_default().to_owned()
    }

    /// Signs somebody in through the form.
    pub async fn sign_in(&self, organization: &str, email: &str) {
        self.goto("/app/sign-in").await;
        self.fill("input[name=email]", email).await;
        self.fill("input[name=organization]", organization).await;
        self.click("main button.primary").await;
        self.see("button.quiet").await;
    }

    /// Runs a script in the page; only tests do.
    pub async fn run(&self, script: &str) -> Value {
        self.call("/execute/sync", Some(json!({ "script": script, "args": [] }))).await
    }

    async fn element(&self, css: &str) -> String {
        let start = Instant::now();
        loop {
            let query = json!({ "using": "css selector", "value": css });
            match self.try_call("/element", Some(query)).await {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) if PATIENCE < start.elapsed() => {
                    let page = self.text("body").await;
                    panic!("no {css}: {}; the page: {page}", error["error"]);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Waits until there is such an element.
    pub async fn see(&self, css: &str) {
        self.element(css).await;
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        let query = json!({ "using": "css selector", "value": css });
        self.try_call("/element", Some(query)).await.is_ok()
    }

    /// Waits until an element says a text, spaces being equal.
    pub async fn says(&self, css: &str, text: &str) {
        let start = Instant::now();
        loop {
            let said = self.text(css).await;
            if said.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{css} says “{said}”, not “{text}”");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a page again and again until an element says a text.
    pub async fn shows_at_last(&self, path: &str, css: &str, text: &str) {
        let start = Instant::now();
        loop {
            self.goto(path).await;
            let said = self.text(css).await;
            if said.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{css} says “{said}”, not “{text}”");
        }
    }

    /// What an element says, with plain spaces; nothing if it is not there.
    pub async fn text(&self, css: &str) -> String {
        let script = format!(
            "const found = document.querySelector({}); return found ? found.innerText : '';",
            json!(css)
        );
        // A page that is just being left says nothing.
        let body = json!({ "script": script, "args": [] });
        let text = self.try_call("/execute/sync", Some(body)).await.unwrap_or_default();
        let text = text.as_str().unwrap_or_default().replace('\u{a0}', " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Clicks; a page that follows is waited for by what is asked of it next.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.call(&format!("/element/{element}/click"), Some(json!({}))).await;
    }

    /// Types into a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.call(&format!("/element/{element}/clear"), Some(json!({}))).await;
        self.call(&format!("/element/{element}/value"), Some(json!({ "text": text }))).await;
    }

    /// Presses a key wherever the focus is, once the page is whole.
    pub async fn press(&self, key: &str) {
        let start = Instant::now();
        while self.run("return document.readyState").await != "complete" {
            assert!(start.elapsed() < PATIENCE, "the page is not complete");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }] });
        self.call("/actions", Some(actions)).await;
    }

    /// Looks at pages as on a phone.
    pub async fn as_phone(&self) {
        let screen = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Looks at pages as on a desk again.
    pub async fn as_desktop(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    async fn devtools(&self, command: &str, params: Value) {
        let command = json!({ "cmd": command, "params": params });
        self.call("/goog/cdp/execute", Some(command)).await;
    }

    /// Tells the page how its reader likes to see things, such as `prefers-color-scheme` as `dark`.
    pub async fn prefer(&self, name: &str, value: &str) {
        let features = json!({ "features": [{ "name": name, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Takes a picture of the page into `docs/screenshots` if `QUITTANCE_SCREENSHOTS` is set.
    pub async fn picture(&self, name: &str) {
        if std::env::var_os("QUITTANCE_SCREENSHOTS").is_none() {
            return;
        }
        let png = self.call("/screenshot", None).await;
        let png = base64::engine::general_purpose::STANDARD.decode(png.as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screenshots");
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// Asserts that the page has no barrier that can be found by a machine (WCAG 2.2 AA), that
    /// nothing is cut off at its side, and that nothing was refused by its policy.
    pub async fn is_sound(&self, what: &str) {
        let script = format!(
            "{AXE};\nconst done = arguments[arguments.length - 1];\n\
             axe.run(document, {{ resultTypes: ['violations'] }}).then((found) => done(\
             found.violations.map((one) => one.id + ': ' + one.nodes.map((node) => \
             node.target + ' ' + node.failureSummary).join(' | '))), (error) => done(['' + error]));"
        );
        let body = json!({ "script": script, "args": [] });
        let found = self.call("/execute/async", Some(body)).await;
        assert_eq!(found, json!([]), "{what}: {found:#}");
        let wide = "return document.documentElement.scrollWidth - window.innerWidth;";
        let wide = self.run(wide).await.as_i64().unwrap_or_default();
        assert!(wide <= 0, "{what} is {wide} pixels wider than its window");
        let log = self.try_call("/se/log", Some(json!({ "type": "browser" }))).await;
        for line in log.unwrap_or_default().as_array().into_iter().flatten() {
            let text = line["message"].as_str().unwrap_or_default();
            assert!(!text.contains("Content Security Policy"), "{what}: {text}");
            assert!(!text.contains("Uncaught"), "{what}: {text}");
        }
    }
}

/// Finds a program on the path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let in_folder =
        |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    names.iter().find_map(|name| in_folder(name))
}
