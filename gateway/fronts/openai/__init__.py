"""The HTTP neighbours: transcriptions, speech, chat completions and models, in the shapes of OpenAI's API."""
