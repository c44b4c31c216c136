//! `POST /flows/create`: a draft in Sim, deployed when asked.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep_until;

use super::notify;
use crate::body::Fields;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::run::{FlowId, next_look};
use crate::upstream::Upstream;
use crate::upstream::api::{Api, Created, Deployment, Draft};

/// The longest name and description that every generation takes.
const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 2000;

/// The body `{name?, description?, document?, deploy?, notify?}`. Not `Debug`: it holds what users wrote.
pub struct DraftRequest {
    pub draft: Draft,
    pub deploy: bool,
    /// Whether Sim is to say when a run of it nears its end.
    pub notify: bool,
}

impl DraftRequest {
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        let deploy = fields.boolean("deploy").unwrap_or(false);
        let notify = fields.boolean("notify").unwrap_or(false);
        Ok(Self { notify, ..Self::read(fields, "document", deploy)? })
    }

    /// Sim's own body to create or to import: `{workspaceId, name?, description?, workflow?}`. The workspace is checked
    /// by whoever admitted it.
    pub fn parse_sims(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        fields.string("workspaceId", 128);
        Self::read(fields, "workflow", false)
    }

    fn read(mut fields: Fields<'_>, document_name: &str, deploy: bool) -> Result<Self, Error> {
        let named = fields.has("name");
        let name = fields.string("name", MAX_NAME).map(|name| name.trim().to_owned());
        let description = fields.string("description", MAX_DESCRIPTION);
        let document = fields.any(document_name);
        match document.map(|raw| raw.get()) {
            Some(text) if text.starts_with('{') => {}
            Some(text) if text.starts_with('"') => {
                // A string travels through a sanitiser that would drop keys with a dot from an object.
                let inner = serde_json::from_str::<String>(text).unwrap_or_default();
                if serde_json::from_str::<serde_json::Map<_, _>>(&inner).is_err() {
                    fields.fail(document_name, "must hold a JSON object");
                }
            }
            Some(_) => fields.fail(document_name, "must be an object or a JSON string"),
            None => {}
        }
        if name.as_deref().is_some_and(str::is_empty) {
            fields.fail("name", "must not be empty");
        } else if !named && document.is_none() {
            fields.fail("name", "is required without a document");
        }
        let document = document.map(ToOwned::to_owned);
        fields.finish()?;
        Ok(Self { draft: Draft { name, description, document }, deploy, notify: false })
    }
}

/// Creates the draft, deploys it when asked, and answers `{flow: {id, name, url}}`.
pub async fn create(core: &Core, context: &Context, request: &DraftRequest) -> Result<Vec<u8>, Error> {
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    let target = if request.notify { Some(core.hooks.target()?) } else { None };
    let draft = match &target {
        None => Cow::Borrowed(&request.draft),
        Some(target) => {
            let document = Some(notify::add(request.draft.document.as_deref(), target)?);
            Cow::Owned(Draft { document, ..request.draft.clone() })
        }
    };
    let call = api.create(upstream.workspace.as_deref(), &draft)?;
    let reply = upstream.send(&context.caller, &call).await?;
    let created = api.read_created(&reply)?;
    if let Some(target) = target {
        core.hooks.became(&core.watches, target, &created.id).await;
    }
    if request.deploy {
        // The flow exists whatever happens now: the caller must be able to find it.
        deploy(upstream, api, context, &created.id)
            .await
            .map_err(|error| error.with_detail("flowId", created.id.as_str()))?;
        core.flow_list.forget();
    }
    let url = editor_url(core, upstream, &created);
    let flow = json!({ "flow": { "id": created.id, "name": created.name, "url": url } });
    Ok(serde_json::to_vec(&flow).unwrap_or_default())
}

/// Where a person opens the flow: Sim's editor, as browsers see it.
fn editor_url(core: &Core, upstream: &Upstream, created: &Created) -> Option<String> {
    let base = core.config.public_url.as_ref()?.as_str().trim_end_matches('/');
    Some(match &upstream.workspace {
        Some(workspace) => format!("{base}/workspace/{workspace}/w/{}", created.id),
        None => format!("{base}/w/{}", created.id),
    })
}

/// Deploys, and waits until the flow can run.
async fn deploy(upstream: &Upstream, api: &dyn Api, context: &Context, id: &FlowId) -> Result<(), Error> {
    let Some(call) = api.deploy(id) else { return Ok(()) };
    upstream.send(&context.caller, &call).await?;
    let mut wait = Duration::from_millis(50);
    loop {
        let reply = upstream.send(&context.caller, &api.deployment(id)).await?;
        match api.read_deployment(&reply)? {
            Deployment::Live => return Ok(()),
            Deployment::Failed => return Err(Error::new(Code::UpstreamError, "Sim could not deploy the flow")),
            Deployment::Pending => {}
        }
        let Some(wake) = next_look(wait, context.caller.deadline) else {
            return Err(Error::new(Code::UpstreamTimeout, "the flow was not deployed in time"));
        };
        sleep_until(wake).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(body: &str) -> Vec<String> {
        let error = DraftRequest::parse(body.as_bytes()).err().unwrap();
        let details = error.details.unwrap();
        details["fields"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_document_is_an_object_or_a_string_that_holds_one() {
        for body in [r#"{"document": {"state": {}}}"#, r#"{"document": "{\"state\": {}}"}"#, r#"{"name": "a"}"#] {
            assert!(DraftRequest::parse(body.as_bytes()).is_ok(), "{body}");
        }
        for body in [r#"{"document": 1}"#, r#"{"document": "[]"}"#, r#"{"document": "{"}"#, r#"{"document": []}"#] {
            assert_eq!(paths(body), ["document"], "{body}");
        }
    }

    #[test]
    fn an_empty_draft_is_refused() {
        assert_eq!(paths("{}"), ["name"]);
        assert_eq!(paths(r#"{"name": "  "}"#), ["name"]);
        assert_eq!(paths(r#"{"name": "a", "deploy": 1, "x": 2}"#), ["deploy", "x"]);
        assert_eq!(paths(r#"{"name": 1}"#), ["name"], "a wrong name is not a missing one as well");
    }
}
