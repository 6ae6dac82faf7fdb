"""`plocal chat`: the terminal application.

    keys ──> ChatApp ──> Session ──> Worker (a thread) ──> engines, modes, history
                ^            └── Exchange per turn: what is known so far     │
                └── panes <── Progress (at most 20 a second) <── Outbox <────┘

`app` binds keys and screens to the session; `session` decides what is asked next and holds no widget; `work` is
the only place that touches an engine; `exchange`, `figures` and `trace` are plain values and functions. Widgets
show exchanges and post what the user did; no thread but the application's own touches one.

Nothing here is imported before `plocal chat` runs.
"""
