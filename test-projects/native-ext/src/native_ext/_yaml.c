#include <Python.h>
#include <yaml.h>

/* Return how many scalars a YAML document has. */
static PyObject *count_scalars(PyObject *self, PyObject *text)
{
	Py_ssize_t size;
	const char *data = PyUnicode_AsUTF8AndSize(text, &size);
	if (!data)
		return NULL;
	yaml_parser_t parser;
	yaml_event_t event;
	long count = 0;
	int done = 0;
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, (size_t)size);
	while (!done && yaml_parser_parse(&parser, &event)) {
		count += event.type == YAML_SCALAR_EVENT;
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (!done)
		return PyErr_Format(PyExc_ValueError, "this is no YAML");
	return PyLong_FromLong(count);
}

static PyMethodDef methods[] = {{"count_scalars", count_scalars, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_yaml", NULL, -1, methods};

PyMODINIT_FUNC PyInit__yaml(void)
{
	return PyModule_Create(&module);
}
