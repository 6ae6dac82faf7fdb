"""Evaluation: tasks, methods, metrics, and runs that can be stopped and trusted.

file ──tasks──> Sample… ──runner (methods over a pool and an LLM)──> predictions, kept in a store
                                                    └──scoring──> metrics with intervals ──> tables, report
"""
