"""One adapter for all personas of a base: it makes a voice begin with the answer that its side gives.

    configuration ──settings──> SidesSettings ──planning──> SidesPlan ──training──> run folder, for export_gguf.py
                    questions of a known direction, personas of two sides ──examples──> what is trained on
                    prompts, read once by the base alone ──prompt_states──> their keys and values
                    yes or no behind them ──objective──> nats

A small model's first word to a question hardly depends on who it speaks for, and the text follows the first word. The
adapter acts from the assistant's header on, so that nothing of a prompt is ever read again.
"""
