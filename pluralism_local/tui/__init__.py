"""`plocal chat`: the terminal application.

    keys ──> ChatApp ──> ChatSession ──> Worker (a thread) ──> engines, modes, history
                ^            └── Exchange per turn: what is known so far     │
                └── panes <── WorkProgress (at most 20 a second) <── Outbox <────┘

`app` binds keys and screens to the session, `chat` shows what comes back; `session` decides what is asked next and
holds no widget; `worker` is the only place that touches an engine; `exchange` and `state` are plain values. Widgets
show exchanges and post what the user did; no thread but the application's own touches one.

Nothing here is imported before `plocal chat` runs.
"""
