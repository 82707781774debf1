"""What highdicom makes of a recipe: the one package that imports it.

A process of its own runs it (`python -m service.report.making`) as long as it is asked: see `service.report.maker`.
"""
