"""The modes for other programs: an OpenAI-compatible server, and tools for agents. Needs the extra ``serve``.

    chat program ──HTTP──> app ──requests.read──> ChatRequest ──FairQueue──> Worker ──Service──> modes.run
    agent ──stdin, stdout──> tools ──────────────────────────────────────────────────> Service ──> modes.run

`models` names what can be asked (``overton:cultures``), `requests` reads a request, `replies` spells what comes of it
in OpenAI's shapes, `conversations` remembers what the voices said, so that a follow-up goes on from it. `app` alone
knows Starlette, `server` and `connection` uvicorn, `tools` the SDK of the Model Context Protocol.
"""
